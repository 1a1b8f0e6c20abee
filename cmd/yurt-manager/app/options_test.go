// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"strings"
	"testing"
)

func TestDefaultsAreValid(t *testing.T) {
	if err := NewOptions().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesEveryFlag(t *testing.T) {
	o := NewOptions()
	o.QPS, o.Burst, o.NodePoolWorkers = 0, 0, 0
	o.WorkingNamespace, o.LeaderElectResource = "Kube_System", ""
	o.MetricsAddr, o.HealthProbeAddr = "10271", ""
	o.Controllers = []string{"*", "-nodepool", "weather"}
	err := o.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, flag := range []string{
		"--rest-config-qps", "--rest-config-burst", "--concurrent-nodepool-workers", "--working-namespace",
		"--leader-elect-resource-name", "--metrics-addr", "--health-probe-addr", "--controllers",
	} {
		if !strings.Contains(err.Error(), flag+" must ") {
			t.Errorf("nothing about %s in:\n%v", flag, err)
		}
	}
}

func TestEveryFlagHasHelp(t *testing.T) {
	help := &strings.Builder{}
	command := NewCommand()
	command.SetOut(help)
	command.SetArgs([]string{"--help"})
	if err := command.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"--kubeconfig", "--metrics-addr", "--leader-elect", "--v ", "--logging-format", "--version", "Controllers flags:"} {
		if !strings.Contains(help.String(), text) {
			t.Errorf("the help lacks %q", text)
		}
	}
}

func TestEnabled(t *testing.T) {
	cases := map[string]struct {
		reason    string
		selection []string
		want      bool
	}{
		"All":       {"a star means all", []string{"*"}, true},
		"None":      {"what is not named does not run", nil, false},
		"Named":     {"a name is enough", []string{"nodepool"}, true},
		"Others":    {"another name is not", []string{"other"}, false},
		"Excluded":  {"a minus wins over the star, wherever it stands", []string{"-nodepool", "*"}, false},
		"Both":      {"and over the name", []string{"nodepool", "-nodepool"}, false},
		"OtherGone": {"a minus means only what it names", []string{"*", "-other"}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := enabled("nodepool", tc.selection); got != tc.want {
				t.Errorf("%s: %v of %v", tc.reason, got, tc.selection)
			}
		})
	}
}
