// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/keyutil"

	"github.com/steppe-io/steppe/hack/localcluster/pki"
	"github.com/steppe-io/steppe/test/pool"
)

// newNamespace makes a namespace with a service account, as a cluster's controllers
// do, and deletes it with the test.
func newNamespace(t *testing.T) string {
	t.Helper()
	ns, err := admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := admin.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("delete namespace %s: %v", ns.Name, err)
		}
	})
	if _, err := admin.CoreV1().ServiceAccounts(ns.Name).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

func newSecret(t *testing.T, namespace, name string) {
	t.Helper()
	if _, err := admin.CoreV1().Secrets(namespace).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// newPod makes a pod that is bound to a node and mounts a secret.
func newPod(t *testing.T, namespace, name, node, secret string) *corev1.Pod {
	t.Helper()
	pod, err := admin.CoreV1().Pods(namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			NodeName:   node,
			Containers: []corev1.Container{{Name: "main", Image: "example.com/main"}},
			Volumes:    []corev1.Volume{{Name: "secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

func clientOf(t *testing.T, user string, groups ...string) *kubernetes.Clientset {
	t.Helper()
	config, err := shared.UserConfig(user, groups...)
	if err != nil {
		t.Fatal(err)
	}
	return kubernetes.NewForConfigOrDie(config)
}

// eventually waits for what the server learns from its own watches.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// A kubelet reaches what the pods of its node need, and nothing else: not what pods
// of another node need, nor anything if its node is of another pool.
func TestKubeletReachesItsOwnAlone(t *testing.T) {
	ns := newNamespace(t)
	for _, n := range []string{"one", "two"} {
		newSecret(t, ns, "of-"+n)
		newPod(t, ns, "on-"+n, "node-"+n, "of-"+n)
	}
	kubelet := clientOf(t, "system:node:node-one", "system:nodes")
	eventually(t, "the kubelet reads its pod's secret", func() error {
		_, err := kubelet.CoreV1().Secrets(ns).Get(t.Context(), "of-one", metav1.GetOptions{})
		return err
	})
	if _, err := kubelet.CoreV1().Secrets(ns).Get(t.Context(), "of-two", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("the secret of another node's pod: got %v, want forbidden", err)
	}
	if _, err := kubelet.CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("all secrets: got %v, want forbidden", err)
	}
	if _, err := kubelet.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=node-two"}); !apierrors.IsForbidden(err) {
		t.Errorf("pods of another node: got %v, want forbidden", err)
	}
	patch := []byte(`{"status":{"message":"hello"}}`)
	if _, err := kubelet.CoreV1().Pods(ns).Patch(t.Context(), "on-one", "application/strategic-merge-patch+json", patch, metav1.PatchOptions{}, "status"); err != nil {
		t.Errorf("the status of its pod: %v", err)
	}
	if _, err := kubelet.CoreV1().Pods(ns).Patch(t.Context(), "on-two", "application/strategic-merge-patch+json", patch, metav1.PatchOptions{}, "status"); !apierrors.IsForbidden(err) {
		t.Errorf("the status of another node's pod: got %v, want forbidden", err)
	}

	stranger := clientOf(t, "system:node:node-of-another-pool", "system:nodes")
	if _, err := stranger.CoreV1().Secrets(ns).Get(t.Context(), "of-one", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a kubelet of another pool: got %v, want forbidden", err)
	}
}

// claims of a token as a cluster issues them.
type claims struct {
	jwt.Claims
	Kubernetes map[string]any `json:"kubernetes.io"`
}

// token is signed by the cluster's key, changed by the case.
func token(t *testing.T, account *corev1.ServiceAccount, change func(*claims)) string {
	t.Helper()
	c := claims{
		Claims: jwt.Claims{
			Issuer: pool.Issuer, Subject: "system:serviceaccount:" + account.Namespace + ":" + account.Name, Audience: jwt.Audience{pool.Issuer},
			IssuedAt: jwt.NewNumericDate(time.Now()), NotBefore: jwt.NewNumericDate(time.Now()), Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour)),
		},
		Kubernetes: map[string]any{"namespace": account.Namespace, "serviceaccount": map[string]any{"name": account.Name, "uid": account.UID}},
	}
	change(&c)
	data, err := os.ReadFile(shared.TokenKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := keyutil.ParsePrivateKeyPEM(data)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: parsed.(*rsa.PrivateKey)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// withToken is who bears a token.
func withToken(t *testing.T, token string) *kubernetes.Clientset {
	t.Helper()
	return kubernetes.NewForConfigOrDie(&rest.Config{
		Host: shared.URL(), BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: shared.CA.CertPEM},
	})
}

func TestTokensOfTheCluster(t *testing.T) {
	ns := newNamespace(t)
	account, err := admin.CoreV1().ServiceAccounts(ns).Get(t.Context(), "default", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	grantSecrets(t, ns, "default")
	good := token(t, account, func(*claims) {})
	eventually(t, "a good token is accepted", func() error {
		_, err := withToken(t, good).CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{})
		return err
	})
	unsigned := func(c claims) string {
		body, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":"none"}`)) + "." + encode(body) + "."
	}
	var same claims
	token(t, account, func(c *claims) { same = *c })
	for name, bad := range map[string]string{
		"expired": token(t, account, func(c *claims) {
			c.IssuedAt, c.NotBefore, c.Expiry = jwt.NewNumericDate(time.Now().Add(-2*time.Hour)), jwt.NewNumericDate(time.Now().Add(-2*time.Hour)), jwt.NewNumericDate(time.Now().Add(-time.Hour))
		}),
		"for another audience": token(t, account, func(c *claims) { c.Audience = jwt.Audience{"https://elsewhere.example"} }),
		"of another issuer":    token(t, account, func(c *claims) { c.Issuer = "https://elsewhere.example" }),
		"of a deleted account": token(t, account, func(c *claims) { c.Kubernetes["serviceaccount"] = map[string]any{"name": "default", "uid": "gone"} }),
		"with alg none":        unsigned(same),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := withToken(t, bad).CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
				t.Errorf("got %v, want unauthorized", err)
			}
		})
	}
}

// grantSecrets lets a service account read the secrets of its namespace.
func grantSecrets(t *testing.T, namespace, account string) {
	t.Helper()
	if _, err := admin.RbacV1().Roles(namespace).Create(t.Context(), &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "secrets"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.RbacV1().RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "secrets"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "secrets"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: account}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// A token that the pool issues is bound to its pod: it ends with it.
func TestTokenOfThePoolEndsWithItsPod(t *testing.T) {
	ns := newNamespace(t)
	grantSecrets(t, ns, "default")
	newSecret(t, ns, "any")
	bearer := newPod(t, ns, "bearer", "node-one", "any")
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: bearer.Name, UID: bearer.UID},
	}}
	kubelet := clientOf(t, "system:node:node-one", "system:nodes")
	eventually(t, "the kubelet gets a token for its pod", func() error {
		answer, err := kubelet.CoreV1().ServiceAccounts(ns).CreateToken(t.Context(), "default", request, metav1.CreateOptions{})
		if err == nil {
			request.Status = answer.Status
		}
		return err
	})
	other := clientOf(t, "system:node:node-two", "system:nodes")
	if _, err := other.CoreV1().ServiceAccounts(ns).CreateToken(t.Context(), "default", request, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("another node's kubelet: got %v, want forbidden", err)
	}
	pod := withToken(t, request.Status.Token)
	eventually(t, "the pod's token is accepted", func() error {
		_, err := pod.CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{})
		return err
	})
	if err := admin.CoreV1().Pods(ns).Delete(t.Context(), "bearer", metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the token is refused once the pod is gone", func() error {
		_, err := pod.CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{})
		if apierrors.IsUnauthorized(err) {
			return nil
		}
		return &notRefused{err}
	})
}

type notRefused struct{ err error }

func (e *notRefused) Error() string { return "it is still accepted: " + errorString(e.err) }

func errorString(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// Who is not known sees health and version, and nothing else.
func TestAnonymousSeesHealthAlone(t *testing.T) {
	for path, want := range map[string]int{
		"/livez": http.StatusOK, "/readyz": http.StatusOK, "/healthz": http.StatusOK, "/version": http.StatusOK,
		"/api": http.StatusUnauthorized, "/api/v1/secrets": http.StatusUnauthorized, "/openapi/v3": http.StatusUnauthorized, "/metrics": http.StatusUnauthorized, "/": http.StatusUnauthorized,
	} {
		if got := status(t, &rest.Config{Host: shared.URL(), TLSClientConfig: rest.TLSClientConfig{CAData: shared.CA.CertPEM}}, path, nil); got != want {
			t.Errorf("%s answers %d, want %d", path, got, want)
		}
	}
}

// Nobody speaks for another by headers: there is no front proxy, and an ordinary
// certificate is none.
func TestForgedFrontProxyHeaders(t *testing.T) {
	forged := http.Header{"X-Remote-User": {"admin"}, "X-Remote-Group": {"system:masters"}}
	anonymous := &rest.Config{Host: shared.URL(), TLSClientConfig: rest.TLSClientConfig{CAData: shared.CA.CertPEM}}
	if got := status(t, anonymous, "/api/v1/secrets", forged); got != http.StatusUnauthorized {
		t.Errorf("without a certificate it answers %d", got)
	}
	config, err := shared.UserConfig("somebody")
	if err != nil {
		t.Fatal(err)
	}
	if got := status(t, config, "/api/v1/secrets", forged); got != http.StatusForbidden {
		t.Errorf("with an ordinary certificate it answers %d", got)
	}
}

func TestCertificateOfAnotherCA(t *testing.T) {
	dir := t.TempDir()
	other, err := pki.EnsureAuthority(filepath.Join(dir, "ca"), "ca")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := other.Ensure(dir, "admin", pki.Request{CommonName: "admin", Organization: []string{"system:masters"}})
	if err != nil {
		t.Fatal(err)
	}
	config := &rest.Config{Host: shared.URL(), TLSClientConfig: rest.TLSClientConfig{CAData: shared.CA.CertPEM, CertData: pair.CertPEM, KeyData: pair.KeyPEM}}
	if got := status(t, config, "/api/v1/secrets", nil); got != http.StatusUnauthorized {
		t.Errorf("it answers %d, want %d", got, http.StatusUnauthorized)
	}
}

// status is what the server answers a GET.
func status(t *testing.T, config *rest.Config, path string, header http.Header) int {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shared.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}
