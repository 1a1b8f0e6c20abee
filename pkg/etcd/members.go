// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// memberPatience bounds a change of the members, and memberPause is between two
	// tries. etcd refuses a change until the members that stay have seen each other
	// for five seconds.
	memberPatience = 30 * time.Second
	memberPause    = 500 * time.Millisecond

	// healthKey is read to see that reads work. It never exists.
	healthKey = "health"
)

// Member is one member of a cluster.
type Member struct {
	ID      uint64
	Name    string // empty if it has never been up
	PeerURL string
	Started bool
	Leader  bool
}

// Members lists the members of the cluster that the client talks to: the server's
// own, or one from Connect.
func Members(ctx context.Context, client *clientv3.Client) ([]Member, error) {
	list, err := client.MemberList(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing etcd's members: %w", err)
	}
	status, err := client.Status(ctx, client.Endpoints()[0])
	if err != nil {
		return nil, fmt.Errorf("asking for etcd's leader: %w", err)
	}
	var members []Member
	for _, m := range list.Members {
		members = append(members, Member{ID: m.ID, Name: m.Name, PeerURL: firstURL(m), Started: m.Name != "", Leader: m.ID == status.Leader})
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.PeerURL, b.PeerURL)) })
	return members, nil
}

// ReplaceMember has the cluster expect a member without data at the URL, in place
// of the one that had the name or the URL, if there was one. It begins to count as
// a member at once, so start it soon. Doing it again changes nothing. The member
// that the client talks to cannot replace itself.
func ReplaceMember(ctx context.Context, client *clientv3.Client, name, peerURL string) error {
	ctx, cancel := context.WithTimeout(ctx, memberPatience)
	defer cancel()
	list, err := client.MemberList(ctx)
	if err != nil {
		return fmt.Errorf("listing etcd's members: %w", err)
	}
	for _, m := range list.Members {
		switch {
		case m.Name != name && firstURL(m) != peerURL:
			continue
		case m.ID == list.Header.MemberId:
			return fmt.Errorf("etcd member %s cannot replace itself: ask another one", name)
		case m.Name == "" && firstURL(m) == peerURL:
			return nil // it is expected already
		}
		if err := change(ctx, func() (err error) { _, err = client.MemberRemove(ctx, m.ID); return }); err != nil {
			return fmt.Errorf("removing etcd member %s: %w", cmp.Or(m.Name, firstURL(m)), err)
		}
	}
	if err := change(ctx, func() (err error) { _, err = client.MemberAdd(ctx, []string{peerURL}); return }); err != nil {
		return fmt.Errorf("adding etcd member %s at %s: %w", name, peerURL, err)
	}
	return nil
}

// change makes a change of the members as soon as etcd allows it.
func change(ctx context.Context, do func() error) error {
	for {
		err := do()
		if !errors.Is(err, rpctypes.ErrUnhealthy) {
			return err
		}
		select {
		case <-time.After(memberPause):
		case <-ctx.Done():
			return err
		}
	}
}

// RemoveMember takes a member out of the cluster for good. Its server fails with
// ErrRemoved.
func RemoveMember(ctx context.Context, client *clientv3.Client, name string) error {
	ctx, cancel := context.WithTimeout(ctx, memberPatience)
	defer cancel()
	list, err := client.MemberList(ctx)
	if err != nil {
		return fmt.Errorf("listing etcd's members: %w", err)
	}
	for _, m := range list.Members {
		if m.Name == name {
			if err := change(ctx, func() (err error) { _, err = client.MemberRemove(ctx, m.ID); return }); err != nil {
				return fmt.Errorf("removing etcd member %s: %w", name, err)
			}
			return nil
		}
	}
	return fmt.Errorf("there is no etcd member %s", name)
}

func firstURL(m *etcdserverpb.Member) string {
	if len(m.PeerURLs) == 0 {
		return ""
	}
	return m.PeerURLs[0]
}

// Health says what keeps the member from serving: nil if it can read what the
// cluster last agreed on.
func (s *Server) Health(ctx context.Context) error {
	if err := s.Failure(); err != nil {
		return err
	}
	if _, err := s.client.Get(ctx, healthKey, clientv3.WithCountOnly()); err != nil {
		return fmt.Errorf("reading from etcd: %w", err)
	}
	return nil
}

// Leads tells whether the member is the leader of its cluster; a lone one is.
func (s *Server) Leads() bool { return s.etcd.Server.Leader() == s.etcd.Server.MemberID() }
