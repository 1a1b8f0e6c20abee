// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
	"k8s.io/klog/v2"
)

const (
	// RestoreRevisionBump is how far the revision of a restored database lies
	// above that of the snapshot. Clients may have seen any that were written
	// since; a watch from such a one would wait silently for ever if the database
	// came back below it. Being above, and compacted, they are told to list anew.
	// It is a thousand writes a second for eleven days.
	RestoreRevisionBump = 1_000_000_000

	// snapshotUnit divides the length of a database file; a snapshot is longer by
	// its hash.
	snapshotUnit = 512

	// socketPatience bounds the wait for an answer on the socket.
	socketPatience = 10 * time.Second
)

// Snapshot writes the database as it is now, and its hash, to w. It is what etcdctl
// snapshot save writes, and Restore and etcdutl take.
func (s *Server) Snapshot(ctx context.Context, w io.Writer) error {
	if !s.direct.hold() {
		return errors.New("taking a snapshot of etcd: the server has been closed")
	}
	defer s.direct.calls.Done()

	// The database cannot be rewritten while it is read, and would stand still.
	s.rewriting.RLock()
	defer s.rewriting.RUnlock()
	image := s.etcd.Server.Backend().Snapshot()
	hash, out := sha256.New(), &endingWriter{Writer: w, caller: ctx, server: s.direct.ctx}
	_, err := image.WriteTo(io.MultiWriter(out, hash))
	if err = errors.Join(err, image.Close()); err == nil {
		_, err = out.Write(hash.Sum(nil))
	}
	if err != nil {
		return fmt.Errorf("taking a snapshot of etcd: %w", cmp.Or(out.err, err))
	}
	return nil
}

// endingWriter writes until one of the contexts has ended, and keeps the error: the
// database only passes its text on.
type endingWriter struct {
	io.Writer
	caller, server context.Context
	err            error
}

func (w *endingWriter) Write(p []byte) (n int, err error) {
	if w.err = errors.Join(w.caller.Err(), w.server.Err()); w.err == nil {
		n, w.err = w.Writer.Write(p)
	}
	return n, w.err
}

// SaveSnapshot writes a snapshot of the member that runs on the data directory, in
// whichever process, to a file. The file is there when it is whole, and replaces
// one of the same name only then.
func SaveSnapshot(ctx context.Context, dataDir, file string) error {
	client, err := Connect(ctx, dataDir)
	if err != nil {
		return err
	}
	defer client.Close()
	stream, err := client.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("asking the etcd in %s for a snapshot: %w", dataDir, err)
	}
	defer stream.Close()
	return writeSnapshot(file, stream)
}

// writeSnapshot makes a file of what it reads, if that is whole.
func writeSnapshot(file string, from io.Reader) (err error) {
	part, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".part-*")
	if err != nil {
		return fmt.Errorf("writing a snapshot: %w", err)
	}
	defer func() {
		if err != nil {
			part.Close()
			os.Remove(part.Name())
		}
	}()
	if _, err := io.Copy(part, from); err != nil {
		return fmt.Errorf("writing a snapshot to %s: %w", file, err)
	}
	if _, err := checkSnapshot(part); err != nil {
		return fmt.Errorf("the snapshot did not arrive whole: %w", err)
	}
	if err := errors.Join(part.Sync(), part.Close()); err != nil {
		return fmt.Errorf("writing a snapshot to %s: %w", file, err)
	}
	if err := os.Rename(part.Name(), file); err != nil {
		return fmt.Errorf("writing a snapshot: %w", err)
	}
	return syncDir(filepath.Dir(file))
}

// checkSnapshot compares a snapshot with the hash at its end, and returns that.
func checkSnapshot(file *os.File) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	length := info.Size() - sha256.Size
	if length <= 0 || length%snapshotUnit != 0 {
		return nil, fmt.Errorf("%s is cut short, or is no snapshot: its %d bytes are not those of a database and its hash", file.Name(), info.Size())
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(file, 0, length)); err != nil {
		return nil, err
	}
	want := make([]byte, sha256.Size)
	if _, err := file.ReadAt(want, length); err != nil {
		return nil, err
	}
	if !bytes.Equal(hash.Sum(nil), want) {
		return nil, fmt.Errorf("%s is damaged: its content does not match the hash at its end", file.Name())
	}
	return want, nil
}

// Connect returns a client of the member that runs on the data directory, in
// whichever process, over its socket. The caller must close it.
func Connect(ctx context.Context, dataDir string) (*clientv3.Client, error) {
	socket := filepath.Join(dataDir, socketFile)
	probe, err := (&net.Dialer{Timeout: socketPatience}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("reaching the etcd in %s, which must be running: %w", dataDir, err)
	}
	probe.Close()
	return clientv3.New(clientv3.Config{
		Context:     ctx,
		Endpoints:   []string{"unix://" + socket},
		DialTimeout: socketPatience,
		Logger:      zap.NewNop(),
	})
}

// Restore makes a data directory from a snapshot, as cfg says. The directory must
// be missing or empty, and appears when it is whole. The data gets a new cluster
// ID, and its revisions lie above all that clients have seen. With several members,
// restore each from the same file.
func Restore(ctx context.Context, file string, cfg Config) error {
	if err := checkEmpty(cfg.Dir); err != nil {
		return err
	}
	hash, err := openAndCheck(file)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Dir), 0o755); err != nil {
		return fmt.Errorf("restoring etcd: %w", err)
	}
	part, err := os.MkdirTemp(filepath.Dir(cfg.Dir), filepath.Base(cfg.Dir)+".restoring-*")
	if err != nil {
		return fmt.Errorf("restoring etcd: %w", err)
	}
	defer os.RemoveAll(part)
	if err := restoreTo(ctx, part, file, hash, cfg); err != nil {
		return fmt.Errorf("restoring etcd from %s: %w", file, err)
	}
	if err := syncTree(part); err != nil {
		return fmt.Errorf("restoring etcd: %w", err)
	}
	// Only an empty directory can be removed, so nothing is lost to a race.
	if err := os.Remove(cfg.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("restoring etcd: %w", err)
	}
	if err := os.Rename(part, cfg.Dir); err != nil {
		return fmt.Errorf("restoring etcd: %w", err)
	}
	return syncDir(filepath.Dir(cfg.Dir))
}

func openAndCheck(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return checkSnapshot(file)
}

func restoreTo(ctx context.Context, dir, file string, hash []byte, cfg Config) error {
	etcd, err := embedConfig(cfg, nil)
	if err != nil {
		return err
	}
	peers := make([]string, len(etcd.AdvertisePeerUrls))
	for i, url := range etcd.AdvertisePeerUrls {
		peers[i] = url.String()
	}
	failed := make(chan error, 1)
	logger := newLogger(klog.FromContext(ctx).WithName("etcd"), zap.ErrorLevel, func(err error) { failed <- err })
	done := make(chan error, 1)
	go func() { // which stays behind if it ends by way of the log
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("etcd panicked: %v", p)
			}
		}()
		done <- snapshot.NewV3(logger).Restore(snapshot.RestoreConfig{
			SnapshotPath:   file,
			Name:           etcd.Name,
			OutputDataDir:  dir,
			PeerURLs:       peers,
			InitialCluster: etcd.InitialCluster,
			// Unlike that of the cluster the snapshot is of, so that what is left
			// of that one cannot join; and the same for all members.
			InitialClusterToken: etcd.InitialClusterToken + "-" + hex.EncodeToString(hash),
			RevisionBump:        RestoreRevisionBump,
			MarkCompacted:       true,
		})
	}()
	select {
	case err := <-done:
		return err
	case err := <-failed:
		return err
	}
}

func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: stop the process that uses it, and move the directory aside, before restoring to it", dir)
	}
	return nil
}

// syncTree makes files and directories durable.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncDir(path) // a file is synced the same way
	})
}
