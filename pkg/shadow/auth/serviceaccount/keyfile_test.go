// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

func ids(keys []PublicKey) []string {
	var out []string
	for _, key := range keys {
		out = append(out, key.ID)
	}
	return out
}

func TestKeyFileFollowsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sa.pub")
	write := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, second := rsaKey(), p256Key()
	write(publicPEM(first.Public()))
	clock := clocktesting.NewFakePassiveClock(start)
	file, err := newKeyFile(path, clock)
	if err != nil {
		t.Fatal(err)
	}
	later := func() { clock.SetTime(clock.Now().Add(keyFileInterval)) }
	check := func(when string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, ids(file.Keys(t.Context(), ""))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	check("At first", keyID(first))

	write(publicPEM(first.Public(), second.Public()))
	check("Before the interval is over", keyID(first))
	later()
	check("Rotated", keyID(first), keyID(second))
	if got := ids(file.Keys(t.Context(), keyID(second))); len(got) != 1 || got[0] != keyID(second) {
		t.Errorf("Asked for one key: got %q", got)
	}
	if got := file.Keys(t.Context(), "unknown"); got != nil {
		t.Errorf("Asked for an unknown key: got %q", ids(got))
	}

	write([]byte("-----BEGIN PUBLIC KEY-----\nhalf a fi"))
	later()
	check("Damaged", keyID(first), keyID(second))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	later()
	check("Gone", keyID(first), keyID(second))
	write([]byte(strings.Repeat("x", maxKeyFileBytes+1)))
	later()
	check("Too large", keyID(first), keyID(second))

	write(publicPEM(second.Public()))
	later()
	check("The first key taken away", keyID(second))

	write(publicPEM(first.Public()))
	clock.SetTime(start.AddDate(-1, 0, 0))
	check("After the clock was set back", keyID(first))
}

func TestKeyFileMustHaveGoodKeys(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":          {nil, "does not contain any valid"},
		"no PEM":         {[]byte("key"), "does not contain any valid"},
		"short RSA key":  {publicPEM(&weak.PublicKey), "2048 bits or more, not 1024"},
		"one of two":     {publicPEM(rsaKey().Public(), &weak.PublicKey), "2048 bits or more, not 1024"},
		"P-224":          {publicPEM(&p224.PublicKey), "P-256, P-384 or P-521, not P-224"},
		"Edwards curve":  {publicPEM(edwards), "does not contain any valid"},
		"cannot be read": {nil, "no such file"},
	} {
		path := filepath.Join(t.TempDir(), "sa.pub")
		if name != "cannot be read" {
			if err := os.WriteFile(path, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := NewKeyFile(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}
