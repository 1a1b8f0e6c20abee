// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Kubeconfig encodes a kubeconfig that reaches server as the client, with all
// certificates inside so that the one file can be copied anywhere. The name
// appears as the name of its cluster, user and context.
func Kubeconfig(name, server string, ca *Authority, client Pair) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca.CertPEM}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: client.CertPEM, ClientKeyData: client.KeyPEM}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	content, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("encode a kubeconfig for %s: %w", server, err)
	}
	return content, nil
}

// WriteKubeconfig writes what Kubeconfig encodes.
func WriteKubeconfig(path, name, server string, ca *Authority, client Pair) error {
	content, err := Kubeconfig(name, server, ca, client)
	if err != nil {
		return err
	}
	return writeFile(path, content, 0o600)
}
