// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestDamageIsRecognized damages the data of a member in ways in which disks and
// people do. The member runs in a process of its own, as some of it would end the
// process. It must be refused as damaged, or serve all that was written.
func TestDamageIsRecognized(t *testing.T) {
	t.Parallel()
	const keys = 20_000
	template := Config{Dir: filepath.Join(shortDir(t), "data"), UnsafeNoFsync: true}
	p := spawn(t, template)
	p.waitReady(t)
	client := p.client(t)
	value := strings.Repeat("x", 1000)
	for i := 0; i < keys; i += 100 {
		var ops []clientv3.Op
		for k := i; k < i+100; k++ {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("/key/%05d", k), value))
		}
		if _, err := client.Txn(t.Context()).Then(ops...).Commit(); err != nil {
			t.Fatal(err)
		}
	}
	p.stop() // so that all is in the database, and the log must not lag

	glob := func(t *testing.T, dir, pattern string) []string {
		t.Helper()
		paths, err := filepath.Glob(filepath.Join(dir, "member", pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("nothing matches %s: %v", pattern, err)
		}
		slices.Sort(paths)
		return paths
	}
	change := func(t *testing.T, path string, how func(data []byte) []byte) {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, how(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // it only chooses places
	cases := []struct {
		name      string
		damage    func(t *testing.T, dir string)
		servesToo bool // if what was hit may not have been in use
	}{
		{"database cut in half", func(t *testing.T, dir string) {
			change(t, glob(t, dir, "snap/db")[0], func(data []byte) []byte { return data[:len(data)/2] })
		}, false},
		{"database cut to its first pages", func(t *testing.T, dir string) {
			change(t, glob(t, dir, "snap/db")[0], func(data []byte) []byte { return data[:16384] })
		}, false},
		{"database empty", func(t *testing.T, dir string) {
			change(t, glob(t, dir, "snap/db")[0], func([]byte) []byte { return nil })
		}, false},
		{"pages zeroed in the middle of the database", func(t *testing.T, dir string) {
			change(t, glob(t, dir, "snap/db")[0], func(data []byte) []byte {
				clear(data[len(data)/4/4096*4096 : len(data)/2/4096*4096])
				return data
			})
		}, false},
		{"nonsense in the middle of the database", func(t *testing.T, dir string) {
			change(t, glob(t, dir, "snap/db")[0], func(data []byte) []byte {
				copy(data[len(data)/4/4096*4096:], bytes.Repeat([]byte("nonsense"), len(data)/4/8))
				return data
			})
		}, false},
		{"a page of the database is another", func(t *testing.T, dir string) {
			change(t, glob(t, dir, "snap/db")[0], func(data []byte) []byte {
				n := len(data) / 4096
				from, to := 2+random.IntN(n-2), 2+random.IntN(n-2)
				t.Logf("page %d to %d of %d", from, to, n)
				copy(data[to*4096:(to+1)*4096], data[from*4096:(from+1)*4096])
				return data
			})
		}, true},
		{"branches of the database that lead twice to the same page", func(t *testing.T, dir string) {
			change(t, glob(t, dir, "snap/db")[0], func(data []byte) []byte {
				for page := data; len(page) >= 4096; page = page[4096:] {
					if kindOf(page) == kindBranch && binary.NativeEndian.Uint16(page[10:]) > 1 {
						copy(page[pageHeader+pageElement+8:][:8], page[pageHeader+8:][:8])
					}
				}
				return data
			})
		}, false},
		{"keys of the database out of order", func(t *testing.T, dir string) {
			change(t, glob(t, dir, "snap/db")[0], func(data []byte) []byte {
				for page := data; len(page) >= 4096; page = page[4096:] {
					if kindOf(page) == kindLeaf && binary.NativeEndian.Uint16(page[10:]) > 1 {
						first, second := page[pageHeader:][:pageElement], page[pageHeader+pageElement:][:pageElement]
						copy(second[8:12], first[8:12]) // as long, and as far from the start: the same
						binary.NativeEndian.PutUint32(second[4:], binary.NativeEndian.Uint32(first[4:])-pageElement)
					}
				}
				return data
			})
		}, false},
		{"a byte of the log turned", func(t *testing.T, dir string) {
			paths := glob(t, dir, "wal/*.wal")
			change(t, paths[len(paths)-1], func(data []byte) []byte {
				data[50_000] ^= 0x40
				return data
			})
		}, false},
		{"last piece of the log gone", func(t *testing.T, dir string) {
			paths := glob(t, dir, "wal/*.wal")
			if len(paths) < 2 {
				t.Fatal("there is only one piece")
			}
			if err := os.Remove(paths[len(paths)-1]); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"first pieces of the log gone", func(t *testing.T, dir string) {
			paths := glob(t, dir, "wal/*.wal")
			for _, path := range paths[:len(paths)-1] {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		}, false},
		{"log cut", func(t *testing.T, dir string) {
			paths := glob(t, dir, "wal/*.wal")
			change(t, paths[0], func(data []byte) []byte { return data[:len(data)/2] })
		}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg := template
			cfg.Dir = filepath.Join(shortDir(t), "data")
			if err := os.CopyFS(cfg.Dir, os.DirFS(template.Dir)); err != nil {
				t.Fatal(err)
			}
			c.damage(t, cfg.Dir)
			p := spawn(t, cfg)
			if c.servesToo {
				select {
				case <-p.ready:
					got, err := p.client(t).Get(t.Context(), "/key/", clientv3.WithPrefix(), clientv3.WithCountOnly())
					if err != nil || got.Count != keys {
						t.Errorf("it serves %v, %v, want everything", got, err)
					}
					return
				case <-p.ended:
				}
			}
			p.waitRefused(t, ErrDamaged)
			if !strings.Contains(p.log.String(), cfg.Dir) {
				t.Errorf("it does not name the directory: %s", p.log.String())
			}
		})
	}
}
