// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

var profiles = flag.String("profiles", "", "folder for profiles of the servers, taken when their memory is read at rest; read them with go tool pprof")

// profile writes what a server says of itself, and how the kernel sees its memory.
func (s *side) profile(ctx context.Context, moment string) error {
	if *profiles == "" {
		return nil
	}
	client, err := s.client("kubernetes-admin", "system:masters")
	if err != nil {
		return err
	}
	write := func(name string, data []byte, err error) error {
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(*profiles, fmt.Sprintf("%s-%s-%s", s, moment, name)), data, 0o644)
	}
	pids := s.pids()
	smaps, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pids[len(pids)-1]), "smaps"))
	if err := write("smaps.txt", smaps, err); err != nil {
		return err
	}
	for name, query := range map[string]string{"heap.pb.gz": "heap", "heap.txt": "heap?debug=1", "goroutines.txt": "goroutine?debug=1", "cpu.pb.gz": "profile?seconds=20"} {
		data, err := client.Discovery().RESTClient().Get().RequestURI("/debug/pprof/" + query).Do(ctx).Raw()
		if err := write(name, data, err); err != nil {
			return err
		}
	}
	return nil
}
