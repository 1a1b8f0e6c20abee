// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"k8s.io/klog/v2"
)

const (
	// quotaPeriod is how often the alarm is looked at by which etcd refuses
	// writes.
	quotaPeriod = 5 * time.Second

	// quotaPatience bounds one attempt to make room.
	quotaPatience = 10 * time.Minute
)

// keepQuota makes room whenever the quota has been reached. etcd leaves that to
// an operator: it keeps refusing writes whatever is deleted, as neither old
// revisions nor the file shrink by themselves, and API servers, which compact
// etcd now and then, cannot as long as they must write to do it.
func (s *Server) keepQuota(ctx context.Context, quota int64) {
	logger := klog.FromContext(ctx)
	tick := time.NewTicker(quotaPeriod)
	defer tick.Stop()
	told := false
	failedAt := int64(0) // revision at which there was no room to be made
	for {
		// It rewrites the whole database, so it is not tried again before something has
		// been deleted.
		if revision := s.etcd.Server.KV().Rev(); s.outOfSpace() && revision != failedAt {
			freed, err := s.makeRoom(ctx, quota)
			failedAt = 0
			if !freed && err == nil {
				failedAt = revision
			}
			if freed {
				logger.Info("Made room in etcd, writes are accepted again", "size", s.etcd.Server.Backend().Size(), "quota", quota)
			} else if !told && ctx.Err() == nil {
				logger.Error(err, "Reached etcd's quota, writes are refused until something is deleted or the quota is raised", "size", s.etcd.Server.Backend().Size(), "quota", quota)
			}
			told = !freed
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) outOfSpace() bool {
	return slices.ContainsFunc(s.etcd.Server.Alarms(), func(member *etcdserverpb.AlarmMember) bool {
		return member.Alarm == etcdserverpb.AlarmType_NOSPACE
	})
}

// makeRoom drops all revisions but the present one, shrinks the database to what
// is left, and takes the alarm back if that is clearly below the quota. Watchers
// that are behind have to list anew.
func (s *Server) makeRoom(ctx context.Context, quota int64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, quotaPatience)
	defer cancel()
	member := s.etcd.Server
	_, err := member.Compact(ctx, &etcdserverpb.CompactionRequest{Revision: member.KV().Rev(), Physical: true})
	if err != nil && !errors.Is(err, mvcc.ErrCompacted) {
		return false, err
	}
	if err := s.Defrag(); err != nil {
		return false, err
	}
	if member.Backend().Size() > quota/10*9 {
		return false, nil
	}
	// Those of other members too: one may be away, or have come with a snapshot from
	// another cluster. One that is full still says so again.
	for _, alarm := range member.Alarms() {
		if alarm.Alarm != etcdserverpb.AlarmType_NOSPACE {
			continue
		}
		_, err := member.Alarm(ctx, &etcdserverpb.AlarmRequest{Action: etcdserverpb.AlarmRequest_DEACTIVATE, MemberID: alarm.MemberID, Alarm: alarm.Alarm})
		if err != nil {
			return false, err
		}
	}
	return true, nil
}
