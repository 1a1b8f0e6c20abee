// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"runtime/debug"
	"strings"

	apimachineryversion "k8s.io/apimachinery/pkg/version"
	basecompatibility "k8s.io/component-base/compatibility"
	baseversion "k8s.io/component-base/version"
)

// AsKubernetes has a server tell clients the version of Kubernetes that it is like,
// with its own behind a plus sign. Clients judge by it what they may ask for.
func (c *Config) AsKubernetes() {
	c.Generic.EffectiveVersion = kubernetesVersion{c.Generic.EffectiveVersion}
}

type kubernetesVersion struct {
	basecompatibility.EffectiveVersion
}

// Info is what is served at /version.
func (v kubernetesVersion) Info() *apimachineryversion.Info {
	info := v.EffectiveVersion.Info()
	info.GitVersion = "v" + kubernetesRelease() + "+steppe." + buildMetadata(baseversion.Get().GitVersion)
	return info
}

// kubernetesRelease is that of the libraries, which are numbered 0 where Kubernetes
// is numbered 1.
func kubernetesRelease() string {
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if module.Path == "k8s.io/apiserver" {
				if rest, ok := strings.CutPrefix(module.Version, "v0."); ok {
					return "1." + rest
				}
			}
		}
	}
	return baseversion.DefaultKubeBinaryVersion + ".0"
}

// buildMetadata makes a version one that may stand behind a plus sign.
func buildMetadata(version string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '.', r == '-':
			return r
		default:
			return '-'
		}
	}, version)
}
