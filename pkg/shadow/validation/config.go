// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// configMap checks that every key can be the name of a file, and that etcd can
// hold the whole.
func configMap(c *corev1.ConfigMap, p *problems) {
	size := 0
	for _, key := range slices.Sorted(maps.Keys(c.Data)) {
		at := data.Key(key)
		p.each(at, key, validation.IsConfigMapKey(key))
		if _, twice := c.BinaryData[key]; twice {
			p.invalid(at, key, "must not be in `binaryData` as well")
		}
		size += len(c.Data[key])
	}
	for _, key := range slices.Sorted(maps.Keys(c.BinaryData)) {
		p.each(field.NewPath("binaryData").Key(key), key, validation.IsConfigMapKey(key))
		size += len(c.BinaryData[key])
	}
	if size > corev1.MaxSecretSize {
		p.add(field.TooLong(field.NewPath(""), "", corev1.MaxSecretSize))
	}
}

func updateConfigMap(c, old *corev1.ConfigMap, p *problems) {
	if old.Immutable == nil || !*old.Immutable {
		return
	}
	p.forbidEach(nil, "field is immutable when `immutable` is set", specified{
		{"immutable", c.Immutable == nil || !*c.Immutable},
		{"data", !apiequality.Semantic.DeepEqual(c.Data, old.Data)},
		{"binaryData", !apiequality.Semantic.DeepEqual(c.BinaryData, old.BinaryData)},
	})
}

// secretKeys are the keys that Secrets of a type must have.
var secretKeys = map[corev1.SecretType][]string{
	corev1.SecretTypeDockercfg:        {corev1.DockerConfigKey},
	corev1.SecretTypeDockerConfigJson: {corev1.DockerConfigJsonKey},
	corev1.SecretTypeSSHAuth:          {corev1.SSHAuthPrivateKey},
	corev1.SecretTypeTLS:              {corev1.TLSCertKey, corev1.TLSPrivateKeyKey},
}

// secret checks Secrets. No message has anything of their contents.
func secret(s *corev1.Secret, p *problems) {
	size := 0
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		p.each(data.Key(key), key, validation.IsConfigMapKey(key))
		size += len(s.Data[key])
	}
	if size > corev1.MaxSecretSize {
		p.add(field.TooLong(data, "", corev1.MaxSecretSize))
	}
	for _, key := range secretKeys[s.Type] {
		value, ok := s.Data[key]
		if !ok || s.Type == corev1.SecretTypeSSHAuth && len(value) == 0 {
			p.required(data.Key(key), "")
			continue
		}
		docker := s.Type == corev1.SecretTypeDockercfg || s.Type == corev1.SecretTypeDockerConfigJson
		if docker && json.Unmarshal(value, &map[string]any{}) != nil {
			p.invalid(data.Key(key), "<secret contents redacted>", "must be a JSON object")
		}
	}
	switch s.Type {
	case corev1.SecretTypeServiceAccountToken:
		if s.Annotations[corev1.ServiceAccountNameKey] == "" {
			p.required(field.NewPath("metadata", "annotations").Key(corev1.ServiceAccountNameKey), "")
		}
	case corev1.SecretTypeBasicAuth:
		_, user := s.Data[corev1.BasicAuthUsernameKey]
		_, password := s.Data[corev1.BasicAuthPasswordKey]
		if !user && !password {
			p.required(data.Key(corev1.BasicAuthUsernameKey), "must be specified if "+corev1.BasicAuthPasswordKey+" is not")
			p.required(data.Key(corev1.BasicAuthPasswordKey), "must be specified if "+corev1.BasicAuthUsernameKey+" is not")
		}
	}
}

func updateSecret(s, old *corev1.Secret, p *problems) {
	unchanged(p, field.NewPath("type"), s.Type, old.Type)
	if old.Immutable == nil || !*old.Immutable {
		return
	}
	p.forbidEach(nil, "field is immutable when `immutable` is set", specified{
		{"immutable", s.Immutable == nil || !*s.Immutable},
		{"data", !apiequality.Semantic.DeepEqual(s.Data, old.Data)},
	})
}
