// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"net/url"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"k8s.io/apimachinery/pkg/util/uuid"
)

const (
	// DefaultQuotaBytes bounds the database, as etcd itself does by default.
	DefaultQuotaBytes = 2 << 30

	// logSegmentBytes is the size in which the write-ahead log is allocated on
	// disk, always one piece ahead. etcd's 64 MB are 384 MB with what it keeps;
	// this is 32 MB. It must hold the largest request, of 1.5 MB, and only says
	// where the next piece begins: data with larger pieces is read as before.
	logSegmentBytes = 8 << 20

	// logSegments is how many pieces of the log are kept that are no longer
	// needed. They are for inspection only.
	logSegments = 2

	// logEntries is after how many writes those before are no longer needed from
	// the log. That bounds the log, and what a start reads of it into memory; the
	// stop that it makes, of a few writes to disk, is not worth while more often.
	logEntries = 5000

	// catchUpEntries is how many past writes are kept in memory. A lone member
	// has nobody who could be behind.
	catchUpEntries = 100

	// commitInterval is how long writes are collected until they go from the log
	// into the database. The log makes them durable; this only decides how often
	// the database's upper pages are written anew. At 10 writes/s it halves what
	// goes to the disk, compared with etcd's 100 ms.
	commitInterval = 500 * time.Millisecond

	// aloneTick and aloneElection are the clock of a lone member, which waits up
	// to an election timeout at start before it elects itself.
	aloneTick     = 50 * time.Millisecond
	aloneElection = 250 * time.Millisecond

	aloneName = "default"
	alonePeer = "localhost:2380" // on record only
)

// Config says where and how a member keeps its data.
type Config struct {
	// Dir is the data directory. It is created if it is missing, and belongs
	// to one process at a time.
	Dir string
	// QuotaBytes bounds the size of the database. Writes beyond it are refused
	// until old revisions have been cleared away, which begins at once, and, if
	// that is not enough, something has been deleted. 0 means
	// DefaultQuotaBytes.
	QuotaBytes int64
	// Cluster makes the member one of several. Nil means it is alone.
	Cluster *Cluster
	// UnsafeNoFsync gives up durability for speed. For tests only.
	UnsafeNoFsync bool
}

func (c Config) quota() int64 {
	if c.QuotaBytes > 0 {
		return c.QuotaBytes
	}
	return DefaultQuotaBytes
}

// setLogSegment makes a setting that etcd has for the whole process.
var setLogSegment = sync.OnceFunc(func() { wal.SegmentSizeBytes = logSegmentBytes })

// embedConfig has etcd run with little memory and disk. Compaction is left to the
// API server, which knows how old a revision its clients may still ask for.
func embedConfig(cfg Config, logger func(*embed.Config) error) (*embed.Config, error) {
	setLogSegment()
	out := embed.NewConfig()
	out.Dir = cfg.Dir
	out.ZapLoggerBuilder = logger
	out.QuotaBackendBytes = cfg.quota()
	out.UnsafeNoFsync = cfg.UnsafeNoFsync
	out.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration // zero warns of every request
	out.BootstrapDefragThresholdMegabytes = defragThreshold >> 20
	out.AutoCompactionRetention = "0"
	out.MaxWalFiles = logSegments
	out.SnapshotCount = logEntries
	out.SnapshotCatchUpEntries = catchUpEntries
	out.BackendBatchInterval = commitInterval
	out.ListenClientUrls = nil
	out.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: "localhost:2379"}}
	if cfg.Cluster != nil {
		return out, embedCluster(out, cfg.Cluster)
	}
	embedAlone(out)
	return out, nil
}

// embedAlone makes the member the only one of its cluster. It needs no listeners;
// it must only have peer addresses on record, and they must stay the same for the
// life of the data.
func embedAlone(out *embed.Config) {
	out.Name = aloneName
	out.TickMs, out.ElectionMs = uint(aloneTick.Milliseconds()), uint(aloneElection.Milliseconds())
	peer := url.URL{Scheme: "http", Host: alonePeer}
	out.ListenPeerUrls = nil
	out.AdvertisePeerUrls = []url.URL{peer}
	out.InitialCluster = aloneName + "=" + peer.String()
	// Makes the identity of a new member unique; later starts have it on disk.
	out.InitialClusterToken = string(uuid.NewUUID())
}
