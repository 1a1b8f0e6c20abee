// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"github.com/steppe-io/steppe/pkg/apiserver"
	"github.com/steppe-io/steppe/pkg/etcd"
	"github.com/steppe-io/steppe/pkg/shadow/unsynced"
)

// unsyncedFile is in the data directory.
const unsyncedFile = "unsynced"

// setAsideEnv in the environment has a new process set damaged data aside before it
// does anything else. An etcd that has failed holds its files until its process ends.
const setAsideEnv = "POOL_COORDINATOR_SET_ASIDE"

// openStorage starts the etcd. If its data is damaged, and nothing is lost that the
// cloud has not, the data is set aside, and the pool begins empty, to be filled
// anew.
func openStorage(ctx context.Context, o *Options) (*apiserver.Storage, error) {
	mark := unsynced.Mark(filepath.Join(o.DataDir, unsyncedFile))
	if why := os.Getenv(setAsideEnv); why != "" {
		if err := os.Unsetenv(setAsideEnv); err != nil {
			return nil, err
		}
		aside, err := etcd.SetAside(o.Server.Storage.DataDir, time.Now())
		if err != nil {
			return nil, err
		}
		klog.FromContext(ctx).Error(errors.New(why), "Set damaged data aside; the cloud has all of it, and the pool begins empty", "aside", aside)
	}
	storage, err := o.Server.Storage.Start(ctx)
	if errors.Is(err, etcd.ErrDamaged) {
		return nil, beginAnew(o, mark, err)
	}
	if err != nil {
		return nil, err
	}
	// Clients write from now on, and nothing carries their writes to the cloud yet.
	if err := mark.Set(); err != nil {
		return nil, errors.Join(err, storage.Close())
	}
	return storage, nil
}

// beginAnew replaces this process by one that sets the data aside. It returns only
// if that must not be, or fails.
func beginAnew(o *Options, mark unsynced.Mark, damage error) error {
	if len(o.cluster.Members) > 0 {
		return fmt.Errorf("the other coordinators have the pool's objects: move %s aside, run \"pool-coordinator member replace\" on one of them, and start again: %w", o.Server.Storage.DataDir, damage)
	}
	set, err := mark.IsSet()
	if err != nil {
		return errors.Join(damage, err)
	}
	if set {
		return fmt.Errorf("the pool may have changes that the cloud has not, so its data is not replaced: restore it by \"pool-coordinator snapshot restore\", or remove %s to have the pool begin empty: %w", mark, damage)
	}
	program, err := os.Executable()
	if err != nil {
		return errors.Join(damage, err)
	}
	err = syscall.Exec(program, os.Args, append(os.Environ(), setAsideEnv+"="+damage.Error()))
	return errors.Join(damage, fmt.Errorf("starting %s again: %w", program, err))
}
