// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	"go.uber.org/zap"
)

const (
	// clusterTick and clusterElection are the clock of a member among others. A
	// leader sends no heartbeat while it waits for its disk, so the election
	// timeout must be longer than a card takes to write at its worst; and it is how
	// long writes wait when a leader is lost.
	clusterTick     = 200 * time.Millisecond
	clusterElection = 2 * time.Second

	// clusterCatchUp is how many past writes are kept for a member that was away
	// for a moment. One that was away for longer is sent the database.
	clusterCatchUp = 2000

	// lookPause is between two looks whether the other members are there.
	lookPause = 2 * time.Second

	// lookTimeout bounds the wait for one of them to take a connection.
	lookTimeout = 2 * time.Second
)

var (
	// ErrRemoved says that the other members have removed this one from the
	// cluster. Its data is of no use any more: if it is to come back, it must do
	// so with an empty data directory.
	ErrRemoved = errors.New("this member has been removed from its etcd cluster: set its data directory aside to have it join anew, if it has been replaced")

	// ErrNotReplaced says that the data directory is empty, and the others still
	// know a member of that name that had data. Were it to start, they would
	// count on what it has lost.
	ErrNotReplaced = errors.New("the other etcd members know this one as it was before it lost its data: have it replaced on one of them")
)

// Cluster describes the members of a cluster of several, as one of them sees it.
type Cluster struct {
	// Name is the name of this member.
	Name string
	// Members are the URLs under which members reach each other, by name, this
	// one included. They matter while a cluster forms or a member joins; later the
	// cluster knows its members, and only the URL of this one is looked at: if it
	// differs, the cluster is told.
	Members map[string]string
	// Listen is the host and port to take connections of other members at. Empty
	// means those of this member's URL, or all addresses if that has a name.
	Listen string
	// Token tells clusters apart that may ever have members at the same
	// addresses. All members must have the same.
	Token string
	// Form says that there may be no cluster yet, so that a member without data
	// that finds no other one begins to form one. If it is false such a member
	// waits for another.
	//
	// It must be false once the cluster has formed: a member that lost its data
	// and comes up before all others would be taken for what it was.
	Form bool
	// TLS protects the connections between members.
	TLS PeerTLS
}

// PeerTLS is how members prove to each other who they are. The certificates are
// read anew for each connection; for a new CA, add it to the file beside the old
// one, and restart the members one by one.
type PeerTLS struct {
	// CertFile and KeyFile are the member's certificate, for both directions.
	CertFile, KeyFile string
	// CAFile has the CAs whose certificates make a member. They should sign nothing
	// else, or ServerName should be set.
	CAFile string
	// ServerName must be among the DNS names of every member's certificate. If it
	// is empty, the host of a member's URL must be among the names of its
	// certificate, and any certificate of the CA makes a peer.
	ServerName string
}

// validate returns what is wrong with the cluster.
func (c *Cluster) validate() error {
	var errs []error
	own, found := c.Members[c.Name]
	if !found {
		errs = append(errs, fmt.Errorf("the etcd members %v must include this one, %q", c.Members, c.Name))
	}
	for name, member := range c.Members {
		if strings.ContainsAny(name, ",=") || name == "" {
			errs = append(errs, fmt.Errorf("the name of an etcd member must not be empty or contain a comma or an equals sign: %q", name))
		}
		if u, err := url.Parse(member); err != nil || u.Scheme != "https" || u.Hostname() == "" || u.Port() == "" || strings.Trim(u.Path, "/") != "" {
			errs = append(errs, fmt.Errorf("the URL of etcd member %s must be https://HOST:PORT, not %q", name, member))
		}
	}
	if c.Token == "" {
		errs = append(errs, errors.New("an etcd cluster of several members must have a token that is its own"))
	}
	if c.TLS.CertFile == "" || c.TLS.KeyFile == "" || c.TLS.CAFile == "" {
		errs = append(errs, errors.New("an etcd member among others must have a certificate, a key and a CA"))
	}
	if _, err := c.listenURL(own); found && err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c *Cluster) listenURL(own string) (*url.URL, error) {
	listen := c.Listen
	if listen == "" {
		u, err := url.Parse(own)
		if err != nil {
			return nil, err
		}
		listen = u.Host
		if net.ParseIP(u.Hostname()) == nil {
			listen = net.JoinHostPort("0.0.0.0", u.Port())
		}
	}
	if host, _, err := net.SplitHostPort(listen); err != nil || net.ParseIP(host) == nil {
		return nil, fmt.Errorf("an etcd member must listen at IP:PORT, not %q", listen)
	}
	return &url.URL{Scheme: "https", Host: listen}, nil
}

// tlsInfo is the TLS setup as etcd wants it. It looks up no names and no addresses
// of peers: the CA, and the server name, say who is one.
func (t PeerTLS) tlsInfo() transport.TLSInfo {
	info := transport.TLSInfo{
		CertFile:            t.CertFile,
		KeyFile:             t.KeyFile,
		TrustedCAFile:       t.CAFile,
		ClientCertAuth:      true,
		SkipClientSANVerify: true,
	}
	if t.ServerName != "" {
		info.ServerName = t.ServerName
		info.AllowedHostnames = []string{t.ServerName}
	}
	return info
}

// embedCluster makes the member one of several.
func embedCluster(out *embed.Config, c *Cluster) error {
	if err := c.validate(); err != nil {
		return err
	}
	own, err := url.Parse(c.Members[c.Name])
	if err != nil {
		return err
	}
	listen, err := c.listenURL(own.String())
	if err != nil {
		return err
	}
	out.Name = c.Name
	out.TickMs, out.ElectionMs = uint(clusterTick.Milliseconds()), uint(clusterElection.Milliseconds())
	out.SnapshotCatchUpEntries = clusterCatchUp
	out.AdvertisePeerUrls = []url.URL{*own}
	out.ListenPeerUrls = []url.URL{*listen}
	out.PeerTLSInfo = c.TLS.tlsInfo()
	out.InitialCluster = initialCluster(c.Members)
	out.InitialClusterToken = c.Token
	return nil
}

func initialCluster(members map[string]string) string {
	var parts []string
	for name, url := range members {
		parts = append(parts, name+"="+url)
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// findCluster decides for a member without data whether it forms a cluster or joins
// one, by asking the others.
func (s *Server) findCluster(ctx context.Context, c *Cluster, out *embed.Config) error {
	rt, err := rafthttp.NewRoundTripper(out.PeerTLSInfo, lookTimeout)
	if err != nil {
		return fmt.Errorf("reading the certificates of the etcd member: %w", err)
	}
	var others []string
	for name, url := range c.Members {
		if name != c.Name {
			others = append(others, url)
		}
	}
	for told := false; len(others) > 0; told = true {
		found, err := etcdserver.GetClusterFromRemotePeers(zap.NewNop(), others, rt)
		if err == nil {
			return c.join(found.Members(), out)
		}
		if c.Form {
			return nil
		}
		if !told {
			s.logger.Info("Waiting for another etcd member, as this one has no data", "members", c.Members, "err", err)
		}
		select {
		case <-time.After(lookPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// join finds this member among those of a running cluster, and sets out for it
// accordingly.
func (c *Cluster) join(members []*membership.Member, out *embed.Config) error {
	own := out.AdvertisePeerUrls[0].String()
	known := map[string]string{}
	var self *membership.Member
	for _, member := range members {
		switch name := member.Name; {
		case slices.Contains(member.PeerURLs, own):
			self = member
			known[c.Name] = own
		case name == "" || name == c.Name: // not started yet; or this one, elsewhere
			known["member-"+member.ID.String()] = member.PeerURLs[0]
		default:
			known[name] = member.PeerURLs[0]
		}
	}
	switch {
	case self == nil:
		return fmt.Errorf("the etcd cluster has members %s and none at %s: have this one added on one of them", initialCluster(known), own)
	case self.Name == "": // added, and waited for
		out.ClusterState = embed.ClusterStateFlagExisting
		out.InitialCluster = initialCluster(known)
		return nil
	case len(self.ClientURLs) == 0: // the cluster is forming, and this one has never been up
		return nil
	default:
		return ErrNotReplaced
	}
}

// announce tells the cluster where this member is, if that has changed.
func (s *Server) announce(ctx context.Context, c *Cluster) {
	own := c.Members[c.Name]
	member := s.etcd.Server.Cluster().Member(s.etcd.Server.MemberID())
	if member == nil || slices.Equal(member.PeerURLs, []string{own}) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, memberPatience)
	defer cancel()
	if _, err := s.client.MemberUpdate(ctx, uint64(s.etcd.Server.MemberID()), []string{own}); err != nil {
		s.logger.Error(err, "Could not tell the other etcd members the new address of this one", "url", own, "before", member.PeerURLs)
		return
	}
	s.logger.Info("Told the other etcd members the new address of this one", "url", own, "before", member.PeerURLs)
}
