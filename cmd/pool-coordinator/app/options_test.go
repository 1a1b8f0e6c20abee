// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
)

// required are the flags that have no default.
var required = []string{
	"--pool=hangzhou", "--client-ca-file=ca.crt", "--service-account-key-file=sa.pub",
	"--kubelet-certificate-authority=ca.crt", "--kubelet-client-certificate=client.crt", "--kubelet-client-key=client.key",
}

func TestValidate(t *testing.T) {
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged // as a program never does
	for name, c := range map[string]struct {
		args []string
		want string // empty if all is well
	}{
		"what is required":              {required, ""},
		"nothing":                       {nil, "--pool must be"},
		"no port":                       {slices.Concat(required, []string{"--secure-port=0"}), "--secure-port must be"},
		"a key without its certificate": {slices.Concat(required, []string{"--tls-private-key-file=tls.key"}), "must be given together"},
		"a certificate without its key": {slices.Concat(required, []string{"--tls-cert-file=tls.crt"}), "must be given together"},
	} {
		t.Run(name, func(t *testing.T) {
			o := NewOptions()
			o.DataDir = t.TempDir()
			var fss cliflag.NamedFlagSets
			o.AddFlags(&fss)
			fs := pflag.NewFlagSet("", pflag.ContinueOnError)
			for _, set := range fss.FlagSets {
				fs.AddFlagSet(set)
			}
			if err := fs.Parse(c.args); err != nil {
				t.Fatal(err)
			}
			if err := o.Complete(); err != nil {
				t.Fatal(err)
			}
			err := o.Validate()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
