// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Namespaces are the columns of namespaces.
var Namespaces = New(definitions{
	nameColumn,
	text("Status", "Whether the namespace is in use or going away"),
	ageColumn,
}, func(namespace *corev1.Namespace) []any {
	return []any{namespace.Name, string(namespace.Status.Phase), age(namespace)}
})

// ConfigMaps are the columns of configmaps.
var ConfigMaps = New(definitions{
	nameColumn,
	text("Data", corev1.ConfigMap{}.SwaggerDoc()["data"]),
	ageColumn,
}, func(m *corev1.ConfigMap) []any {
	return []any{m.Name, int64(len(m.Data) + len(m.BinaryData)), age(m)}
})

// Secrets are the columns of secrets.
var Secrets = New(definitions{
	nameColumn,
	text("Type", corev1.Secret{}.SwaggerDoc()["type"]),
	text("Data", corev1.Secret{}.SwaggerDoc()["data"]),
	ageColumn,
}, func(secret *corev1.Secret) []any {
	return []any{secret.Name, string(secret.Type), int64(len(secret.Data)), age(secret)}
})

// ServiceAccounts are the columns of serviceaccounts.
var ServiceAccounts = New(definitions{nameColumn, ageColumn}, func(account *corev1.ServiceAccount) []any {
	return []any{account.Name, age(account)}
})

// ResourceQuotas are the columns of resourcequotas.
var ResourceQuotas = New(definitions{
	nameColumn,
	text("Request", "What may be requested in the namespace, and what is."),
	text("Limit", "What the limits in the namespace may add up to, and what they do."),
	ageColumn,
}, func(quota *corev1.ResourceQuota) []any {
	var requests, limits []string
	for _, resource := range slices.Sorted(maps.Keys(quota.Status.Hard)) {
		used, hard := quota.Status.Used[resource], quota.Status.Hard[resource]
		cell := fmt.Sprintf("%s: %s/%s", resource, used.String(), hard.String())
		if strings.HasPrefix(string(resource), "limits.") {
			limits = append(limits, cell)
		} else {
			requests = append(requests, cell)
		}
	}
	return []any{quota.Name, strings.Join(requests, ", "), strings.Join(limits, ", "), age(quota)}
})
