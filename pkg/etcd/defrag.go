// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"k8s.io/klog/v2"
)

const (
	// defragThreshold is how much free space inside the database makes it worth
	// while to rewrite it. Without that the file never shrinks, and free pages
	// count against the quota.
	defragThreshold = 64 << 20

	// defragPeriod is how often a running member looks whether to.
	defragPeriod = 10 * time.Minute

	// defragQuiet is the period before it during which there may be no more than
	// defragQuietWrites writes. Nobody is served while the database is rewritten:
	// 100 MB of live data take about half a second on an SSD, several on a card.
	defragQuiet       = 10 * time.Second
	defragQuietWrites = 50
)

// keepCompact rewrites the database at quiet moments when most of the file is
// free space.
func (s *Server) keepCompact(ctx context.Context) {
	logger := klog.FromContext(ctx)
	pause := func(d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	// Members of a cluster should not do it at the same time.
	for pause(defragPeriod + rand.N(defragPeriod/10)) {
		if backend := s.etcd.Server.Backend(); !worthDefrag(backend.Size(), backend.SizeInUse()) {
			continue
		}
		before := s.etcd.Server.AppliedIndex()
		if !pause(defragQuiet) || s.etcd.Server.AppliedIndex()-before > defragQuietWrites {
			continue
		}
		if err := s.Defrag(); err != nil {
			logger.Error(err, "Left etcd's database as large as it was")
		}
	}
}

// worthDefrag tells whether most of a file is free, and that is much.
func worthDefrag(size, inUse int64) bool {
	free := size - inUse
	return free >= defragThreshold && free >= size/2
}

// Defrag rewrites the database without its free space. Calls wait meanwhile. It
// fails while Snapshot is at work.
func (s *Server) Defrag() error {
	if !s.rewriting.TryLock() {
		return errors.New("etcd's database is being read for a snapshot, or defragmented already")
	}
	defer s.rewriting.Unlock()
	began := time.Now()
	backend := s.etcd.Server.Backend()
	before := backend.Size()
	if err := backend.Defrag(); err != nil {
		return fmt.Errorf("defragmenting etcd's database: %w", err)
	}
	// etcd has renamed the new file over the old one, and leaves it at that. The
	// old one must not come back with a power cut when the log is gone that it
	// would need.
	if err := syncDir(filepath.Join(s.dir.path, "member", "snap")); err != nil {
		err = fmt.Errorf("making the defragmented database durable: %w", err)
		s.fail(err)
		return err
	}
	s.logger.Info("Defragmented etcd's database", "before", before, "after", backend.Size(), "duration", time.Since(began).Round(time.Millisecond))
	return nil
}

// syncDir makes what was renamed, created or removed in a directory durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
