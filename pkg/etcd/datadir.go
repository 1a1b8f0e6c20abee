// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockFile     = "lock"
	identityFile = "identity.json"
	socketFile   = "etcd.sock"

	// lockPatience is how long a starting member waits for the one before it
	// to let go of the data directory: a pod's successor may start while its
	// predecessor still shuts down.
	lockPatience = 10 * time.Second
)

// identity is what identity.json holds: which member the data belongs to. It is
// written once, when the member is up for the first time, so a directory that
// has it and lacks data has lost the data.
type identity struct {
	ClusterID string    `json:"clusterID"`
	MemberID  string    `json:"memberID"`
	Created   time.Time `json:"created"`
}

// dataDir is a data directory that this process has locked.
type dataDir struct {
	path string
	lock *os.File
}

// openDataDir creates the directory if it is missing and locks it.
func openDataDir(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("creating etcd data directory: %w", err)
	}
	// etcd refuses to keep data where others may read it.
	if err := os.Chmod(path, 0o700); err != nil {
		return nil, fmt.Errorf("closing etcd data directory to others: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking etcd data directory: %w", err)
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(100 * time.Millisecond) {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			holder, _ := os.ReadFile(lock.Name())
			lock.Close()
			return nil, fmt.Errorf("etcd data directory %s is in use by another process (pid %s): %w", path, strings.TrimSpace(string(holder)), err)
		}
	}
	if err := lock.Truncate(0); err == nil {
		_, _ = lock.WriteAt(fmt.Appendln(nil, os.Getpid()), 0) // only for a person to read
	}
	return &dataDir{path: path, lock: lock}, nil
}

func (d *dataDir) close() error { return d.lock.Close() }

// check returns the identity of the data, nil where there is none yet, and whether
// there is data. It refuses a directory from which data has gone.
func (d *dataDir) check() (_ *identity, hasData bool, _ error) {
	id, err := d.readIdentity()
	if err != nil {
		return nil, false, err
	}
	hasWAL, err := hasEntries(filepath.Join(d.path, "member", "wal"), ".wal")
	if err != nil {
		return nil, false, err
	}
	_, err = os.Stat(filepath.Join(d.path, "member", "snap", "db"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	hasDB := err == nil

	if hasDB {
		if err := d.checkUnused(); err != nil {
			return nil, false, err
		}
	}

	var missing string
	switch {
	case !hasWAL && hasDB && id == nil:
		// A first start was interrupted before there was a log to write to, so
		// nothing was ever acknowledged.
		return nil, false, d.clearUnfinished()
	case !hasWAL && id != nil:
		missing = "its write-ahead log (member/wal) is missing"
	case !hasDB && id != nil:
		missing = "its database (member/snap/db) is missing"
	default:
		return id, hasWAL, d.checkPages(hasDB, id)
	}
	return nil, false, fmt.Errorf("etcd data directory %s has held data before, but %s: restore it from a backup, or remove the directory to start empty and lose what it held: %w", d.path, missing, ErrDamaged)
}

// checkPages looks for damage in the database. One that is empty is none where the
// member was never up.
func (d *dataDir) checkPages(hasDB bool, id *identity) error {
	path := filepath.Join(d.path, "member", "snap", "db")
	if !hasDB {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.Size() == 0 && id == nil {
		return nil
	}
	return explain(d.path, checkDatabase(path))
}

// clearUnfinished sets aside what a first start left that did not get far.
func (d *dataDir) clearUnfinished() error {
	aside := filepath.Join(d.path, "member.unfinished")
	if err := os.RemoveAll(aside); err != nil {
		return err
	}
	return os.Rename(filepath.Join(d.path, "member"), aside)
}

// checkUnused looks for an etcd of another kind on the data, which heeds no lock
// but the database's own. Starting beside it would wait for ever.
func (d *dataDir) checkUnused() error {
	path := filepath.Join(d.path, "member", "snap", "db")
	db, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer db.Close()
	err = unix.Flock(int(db.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("etcd data directory %s is in use by another etcd, which has locked %s", d.path, path)
	}
	return err
}

func (d *dataDir) readIdentity() (*identity, error) {
	path := filepath.Join(d.path, identityFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	id := &identity{}
	if err := json.Unmarshal(data, id); err != nil {
		return nil, fmt.Errorf("%s is damaged, and the data beside it may be: restore the directory from a backup, or remove only this file to use the data as it is: %w: %w", path, ErrDamaged, err)
	}
	return id, nil
}

// confirm compares the running member with the identity of the data, or writes
// the identity if there is none.
func (d *dataDir) confirm(known *identity, clusterID, memberID string) error {
	if known != nil {
		if known.ClusterID != clusterID || known.MemberID != memberID {
			return fmt.Errorf("etcd data directory %s holds the data of cluster %s, member %s, but was made for cluster %s, member %s: it was mixed up with another one",
				d.path, clusterID, memberID, known.ClusterID, known.MemberID)
		}
		return nil
	}
	data, err := json.Marshal(identity{ClusterID: clusterID, MemberID: memberID, Created: time.Now().UTC()})
	if err != nil {
		return err
	}
	return writeDurably(filepath.Join(d.path, identityFile), append(data, '\n'))
}

// writeDurably leaves either the whole file or none, also after a power cut.
func writeDurably(path string, data []byte) error {
	temp := path + ".tmp"
	file, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func hasEntries(dir, suffix string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), suffix) {
			return true, nil
		}
	}
	return false, err
}
