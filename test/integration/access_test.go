// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/generated/clientset/versioned"
	"github.com/steppe-io/steppe/test/cloud"
)

// directly returns a client of a yurt-apiserver that does not go through the
// kube-apiserver, and knows its certificate by the Secret.
func directly(t *testing.T, c *cloud.Cloud) *http.Client {
	t.Helper()
	secret, err := c.Kubernetes.CoreV1().Secrets("kube-system").Get(t.Context(), "yurt-apiserver-certs", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(secret.Data["ca.crt"]) {
		t.Fatal("the secret has no CA")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "yurt-apiserver.kube-system.svc"}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func waitHealthy(t *testing.T, server *cloud.Server) {
	t.Helper()
	client := &http.Client{
		// The certificate is another test's business.
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		Timeout:   10 * time.Second,
	}
	eventually(t, "readiness of "+server.LogPath, func(ctx context.Context) error {
		response, err := client.Get(fmt.Sprintf("https://127.0.0.1:%d/readyz", server.Port))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz: %s", response.Status)
		}
		return nil
	})
}

func servedCertificate(t *testing.T, server *cloud.Server) []byte {
	t.Helper()
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", server.Port), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: conn.ConnectionState().PeerCertificates[0].Raw})
}

// TestAuthorization checks that callers keep their own identity through the
// aggregation layer, and get what RBAC gives them.
func TestAuthorization(t *testing.T) {
	config, err := shared.UserConfig("jane", "viewers")
	if err != nil {
		t.Fatal(err)
	}
	jane, err := versioned.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jane.AppsV1beta2().NodePools().List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `User "jane" cannot list resource "nodepools"`) {
		t.Fatalf("without a role: got %v", err)
	}

	roles, bindings := shared.Kubernetes.RbacV1().ClusterRoles(), shared.Kubernetes.RbacV1().ClusterRoleBindings()
	if _, err := roles.Create(t.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "view-pools"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"apps.openyurt.io"}, Resources: []string{"nodepools"}, Verbs: []string{"get", "list", "watch"}}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := bindings.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "view-pools"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view-pools"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "viewers"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = bindings.Delete(context.Background(), "view-pools", metav1.DeleteOptions{})
		_ = roles.Delete(context.Background(), "view-pools", metav1.DeleteOptions{})
	})
	eventually(t, "reading with a role", func(ctx context.Context) error {
		_, err := jane.AppsV1beta2().NodePools().List(ctx, metav1.ListOptions{})
		return err
	})
	_, err = jane.AppsV1beta2().NodePools().Create(t.Context(), &v1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "janes"}}, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) {
		t.Fatalf("writing with a role for reading: got %v", err)
	}
}

// TestDirectAccess knocks on yurt-apiserver's own door.
func TestDirectAccess(t *testing.T) {
	c := newCloud(t)
	audit := filepath.Join(c.Dir, "audit.log")
	policy := filepath.Join(c.Dir, "audit.yaml")
	if err := os.WriteFile(policy, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := newServer(t, c, "direct", "--etcd-data-dir="+filepath.Join(c.Dir, "direct"), "--audit-policy-file="+policy, "--audit-log-path="+audit)
	register(t, c, server.Port, server)
	client := directly(t, c)
	base := fmt.Sprintf("https://127.0.0.1:%d", server.Port)
	const pools = "/apis/apps.openyurt.io/v1beta2/nodepools"

	account := c.Kubernetes.CoreV1().ServiceAccounts("default")
	if _, err := account.Create(t.Context(), newServiceAccount("nobody"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	token, err := account.CreateToken(t.Context(), "nobody", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, reason string
		path         string
		header       http.Header
		status       int
	}{
		{name: "health", reason: "probes have no credentials", path: "/readyz", status: http.StatusOK},
		{name: "live", reason: "probes have no credentials", path: "/livez", status: http.StatusOK},
		{name: "anonymous", reason: "nobody has given the anonymous user anything", path: pools, status: http.StatusForbidden},
		{name: "metrics", reason: "they tell of the cluster's insides", path: "/metrics", status: http.StatusForbidden},
		{
			name: "forged front proxy", reason: "only a certificate of the front proxy makes these headers good",
			path: pools, header: http.Header{"X-Remote-User": {"admin"}, "X-Remote-Group": {"system:masters"}}, status: http.StatusForbidden,
		},
		{
			name: "impersonation", reason: "it is for those who may impersonate",
			path: pools, header: http.Header{"Impersonate-User": {"admin"}, "Impersonate-Group": {"system:masters"}}, status: http.StatusForbidden,
		},
		{
			name: "bad token", reason: "a wrong credential is not the same as none",
			path: pools, header: http.Header{"Authorization": {"Bearer nonsense"}}, status: http.StatusUnauthorized,
		},
		{
			name: "good token without rights", reason: "tokens are verified by the kube-apiserver, and rights too",
			path: pools, header: http.Header{"Authorization": {"Bearer " + token.Status.Token}}, status: http.StatusForbidden,
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for key, values := range tc.header {
				request.Header[key] = values
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != tc.status {
				body, _ := io.ReadAll(response.Body)
				t.Errorf("%s: got %s, want %d\n%s", tc.reason, response.Status, tc.status, body)
			}
		})
	}

	// The audit log names the caller, not the kube-apiserver that passed it on.
	if _, err := c.Steppe.AppsV1beta2().NodePools().List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the audit log", func(context.Context) error {
		data, err := os.ReadFile(audit)
		if err == nil && !strings.Contains(string(data), `"username":"kubernetes-admin"`) {
			err = fmt.Errorf("it does not name the caller:\n%.2000s", data)
		}
		return err
	})
}
