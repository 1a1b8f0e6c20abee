// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/steppe-io/steppe/hack/localcluster/pki"
)

// ways are all requests that go to a kubelet.
var ways = map[string]struct {
	path   string
	header http.Header
}{
	"log":         {podPath("log"), nil},
	"exec":        {podPath("exec") + "?command=id&stdout=1", upgradeHeader()},
	"attach":      {podPath("attach") + "?stdout=1", upgradeHeader()},
	"portforward": {podPath("portforward"), upgradeHeader()},
	"node proxy":  {"/api/v1/nodes/" + nodeName + "/proxy/pods", nil},
}

// refuses tries all ways to the kubelet, with a code and text of refusal in mind.
func (r *rig) refuses(code int, says string) {
	r.t.Helper()
	before := r.kubelet.count()
	for name, way := range ways {
		resp := r.do(http.MethodGet, way.path, way.header)
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != code || !strings.Contains(string(body), says) || !strings.Contains(string(body), `"kind":"Status"`) {
			r.t.Errorf("%s: got %s: %s", name, resp.Status, body)
		}
	}
	if n := r.kubelet.count() - before; n > 0 {
		r.t.Errorf("%d requests reached it", n)
	}
}

func TestServingCertificatesMustBeTheNodes(t *testing.T) {
	for _, c := range []struct {
		name    string
		request pki.Request
		says    string // empty if it is good
	}{
		{"as a cluster issues it", requestFor(nodeName), ""},
		{"the node's name as DNS name", pki.Request{CommonName: "kubelet", Hosts: []string{nodeName, "127.0.0.1"}}, ""},
		{"the node's name as common name", pki.Request{CommonName: nodeName, Hosts: []string{"127.0.0.1"}}, ""},
		{"another node's", requestFor("edge-2"), `must name the node \"edge-1\"`},
		{"another address's", pki.Request{CommonName: "system:node:" + nodeName, Hosts: []string{nodeName, "127.0.0.2"}}, "not 127.0.0.1"},
		{"no address at all", pki.Request{CommonName: "system:node:" + nodeName, Hosts: []string{nodeName}}, "x509"},
		{"an API server's", pki.Request{CommonName: "kube-apiserver", Hosts: []string{"kubernetes", "kubernetes.default", "127.0.0.1"}}, `must name the node \"edge-1\"`},
		{"a client's", pki.Request{CommonName: "system:node:" + nodeName}, "x509"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.kubelet = newFakeKubelet(t, r.issue("kubelet", c.request), r.ca)
			r.set(func() { r.node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(r.kubelet.port()) })
			if c.says != "" {
				r.refuses(http.StatusInternalServerError, c.says)
				return
			}
			if resp := r.do(http.MethodGet, podPath("log"), nil); resp.StatusCode != http.StatusOK {
				t.Errorf("Got %s", resp.Status)
			}
		})
	}
}

func TestServingCertificatesMustBeSignedByTheCA(t *testing.T) {
	r := newRig(t)
	other, err := pki.EnsureAuthority(t.TempDir(), "other-ca")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := other.Ensure(t.TempDir(), "kubelet", requestFor(nodeName))
	if err != nil {
		t.Fatal(err)
	}
	r.kubelet = newFakeKubelet(t, pair, r.ca)
	r.set(func() { r.node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(r.kubelet.port()) })
	r.refuses(http.StatusInternalServerError, "certificate signed by unknown authority")
}

func TestKubeletsThatAreNotThere(t *testing.T) {
	r := newRig(t)
	r.kubelet.Close()
	r.refuses(http.StatusServiceUnavailable, "connection refused")
	r.refuses(http.StatusServiceUnavailable, `kubelet of node \"edge-1\" at 127.0.0.1:`)
	r.set(func() { r.node.Status.Addresses = nil })
	r.refuses(http.StatusServiceUnavailable, "has no address")
}

func TestKubeletThatAcceptsAndSaysNothingIsGivenUp(t *testing.T) {
	r := newRig(t, func(config *Config) { config.DialTimeout = 100 * time.Millisecond })
	silent := listen(t)
	r.set(func() { r.node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(silent) })
	r.refuses(http.StatusServiceUnavailable, "cannot be reached")
}

func TestStreamThatIsNotAnsweredIsGivenUp(t *testing.T) {
	r := newRig(t, func(config *Config) { config.AnswerTimeout = 100 * time.Millisecond })
	r.kubelet.answer(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	for _, name := range []string{"log", "exec", "attach", "portforward"} {
		resp := r.do(http.MethodGet, ways[name].path, ways[name].header)
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusGatewayTimeout || !strings.Contains(string(body), "did not answer within 100ms") {
			t.Errorf("%s: got %s: %s", name, resp.Status, body)
		}
	}
}

func TestAddressesThatNodesDoNotHave(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "169.254.169.254", "fe80::1", "fe80::1%eth0",
		"224.0.0.1", "ff02::1", "255.255.255.255", "100.100.100.200", "fd00:ec2::254", "168.63.129.16", "::ffff:168.63.129.16",
	} {
		if err := checkAddress(netip.MustParseAddr(address)); err == nil {
			t.Errorf("%s is allowed", address)
		}
	}
	for _, address := range []string{"10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "8.8.8.8", "fd00::1", "2001:db8::1", "::ffff:10.0.0.1"} {
		if err := checkAddress(netip.MustParseAddr(address)); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// The kubelet is really there: nothing but the rule keeps the server from it.
func TestHostileAddressesAreNotEvenTried(t *testing.T) {
	for _, address := range []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: "127.0.0.1"},
		{Type: corev1.NodeExternalIP, Address: "127.0.0.1"},
		{Type: corev1.NodeInternalIP, Address: "0.0.0.0"},
		{Type: corev1.NodeInternalIP, Address: "::ffff:127.0.0.1"},
		{Type: corev1.NodeHostName, Address: "localhost"}, // what a name resolves to counts
		{Type: corev1.NodeInternalIP, Address: "169.254.169.254"},
	} {
		t.Run(address.Address, func(t *testing.T) {
			r := newRig(t)
			r.connector.checkAddress = checkAddress
			r.set(func() {
				r.node.Status.Addresses = []corev1.NodeAddress{address}
				r.pods[podName].Status.PodIPs = []corev1.PodIP{{IP: "127.0.0.1"}}
			})
			r.refuses(http.StatusBadRequest, "address not allowed")
			for _, path := range []string{"/api/v1/nodes/" + nodeName + ":8080/proxy/", podPath("proxy/")} {
				resp := r.do(http.MethodGet, path, nil)
				if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "address not allowed") {
					t.Errorf("%s: got %s: %s", path, resp.Status, body)
				}
			}
		})
	}
}

func TestAPIServersAreNoKubelets(t *testing.T) {
	r := newRig(t)
	r.connector.config.ServerPorts = []int{1, r.kubelet.port()}
	r.refuses(http.StatusBadRequest, "is the API server's")
}

func TestPreferredAddresses(t *testing.T) {
	all := []corev1.NodeAddress{
		{Type: corev1.NodeHostName, Address: "hostname"},
		{Type: corev1.NodeExternalIP, Address: "192.0.2.1"},
		{Type: corev1.NodeInternalIP, Address: ""},
		{Type: corev1.NodeInternalIP, Address: "10.0.0.1"},
		{Type: corev1.NodeInternalIP, Address: "fd00::1"},
	}
	for _, c := range []struct {
		name      string
		preferred []corev1.NodeAddressType
		addresses []corev1.NodeAddress
		want      string
	}{
		{"by default an address before a name", nil, all, "10.0.0.1"},
		{"the name if there is nothing else", nil, all[:1], "hostname"},
		{"in the order given", []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP}, all, "192.0.2.1"},
		{"none that is preferred", []corev1.NodeAddressType{corev1.NodeExternalDNS}, all, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			connector := &Connector{config: Config{PreferredAddressTypes: c.preferred}.withDefaults()}
			node := &corev1.Node{}
			node.Status.Addresses = c.addresses
			if got, err := connector.hostOf(node); got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("Got %q, %v", got, err)
			}
		})
	}
}

func TestReplacedFilesAreUsedAtOnce(t *testing.T) {
	r := newRig(t)
	get := func() (int, string) {
		resp := r.do(http.MethodGet, podPath("log"), nil)
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	if code, body := get(); code != http.StatusOK {
		t.Fatalf("Got %d: %s", code, body)
	}

	// The client certificate.
	pair := r.issue("client2", pki.Request{CommonName: "second"})
	write(t, r.config.CertFile, pair.CertPEM)
	if code, body := get(); code != http.StatusOK {
		t.Errorf("With a certificate that is not yet the key's: got %d: %s", code, body)
	}
	if got := r.kubelet.last().TLS.PeerCertificates[0].Subject.CommonName; got != "apiserver-kubelet-client" {
		t.Errorf("With a certificate that is not yet the key's: asked as %q", got)
	}
	write(t, r.config.KeyFile, pair.KeyPEM)
	if code, body := get(); code != http.StatusOK {
		t.Errorf("With a new certificate: got %d: %s", code, body)
	}
	if got := r.kubelet.last().TLS.PeerCertificates[0].Subject.CommonName; got != "second" {
		t.Errorf("With a new certificate: asked as %q", got)
	}

	// The CA.
	other, err := pki.EnsureAuthority(t.TempDir(), "other-ca")
	if err != nil {
		t.Fatal(err)
	}
	write(t, r.config.CAFile, other.CertPEM)
	if code, body := get(); code != http.StatusInternalServerError || !strings.Contains(body, "unknown authority") {
		t.Errorf("With another CA: got %d: %s", code, body)
	}
	write(t, r.config.CAFile, append(other.CertPEM, r.ca.CertPEM...))
	if code, body := get(); code != http.StatusOK {
		t.Errorf("With both CAs: got %d: %s", code, body)
	}
	for _, damage := range []func(){
		func() { write(t, r.config.CAFile, []byte("damaged")) },
		func() { os.Remove(r.config.CertFile) },
	} {
		damage()
		if code, body := get(); code != http.StatusOK {
			t.Errorf("With damaged files: got %d: %s", code, body)
		}
	}
}

func TestConnectorNeedsAllFiles(t *testing.T) {
	r := newRig(t)
	missing := r.config.CAFile + ".missing"
	damaged := r.config.CAFile + ".damaged"
	write(t, damaged, []byte("-----BEGIN CERTIFICATE-----\n"))
	for name, change := range map[string]func(*Config){
		"no CA":                 func(c *Config) { c.CAFile = "" },
		"no certificate":        func(c *Config) { c.CertFile = "" },
		"no key":                func(c *Config) { c.KeyFile = "" },
		"CA is missing":         func(c *Config) { c.CAFile = missing },
		"CA is damaged":         func(c *Config) { c.CAFile = damaged },
		"key is missing":        func(c *Config) { c.KeyFile = missing },
		"key of something else": func(c *Config) { c.KeyFile = r.ca.KeyFile },
	} {
		config := r.config
		change(&config)
		if _, err := NewConnector(config, r.getNode, r.getPod); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTokensAndNamesOfTheCallerStayHere(t *testing.T) {
	secrets := http.Header{
		"Proxy-Authorization":     {"Basic secret"},
		"X-Remote-User":           {"secret"},
		"X-Remote-Group":          {"secret"},
		"X-Remote-Extra-Scopes":   {"secret"},
		"X-Remote-Uid":            {"secret"},
		"Impersonate-User":        {"secret"},
		"Impersonate-Group":       {"secret"},
		"Impersonate-Extra-Color": {"secret"},
		"Cookie":                  {"session=crumbs"},
		"X-Harmless":              {"stays"},
	}
	r := newRig(t)
	r.kubelet.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for name, way := range ways {
		header := secrets.Clone()
		for key, values := range way.header {
			header[key] = values
		}
		if way.header != nil {
			header.Set("Sec-WebSocket-Protocol", "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0, channel.k8s.io")
		}
		r.do(http.MethodGet, way.path, header)
		got := r.kubelet.last()
		for key, values := range got.Header {
			if text := strings.Join(values, ","); strings.Contains(text, "secret") || strings.Contains(text, "c2VjcmV0") || strings.Contains(text, "crumbs") || strings.Contains(text, "alice") {
				t.Errorf("%s: the kubelet got %s: %s", name, key, text)
			}
		}
		if name != "log" && got.Header.Get("X-Harmless") != "stays" {
			t.Errorf("%s: the kubelet got no other headers: %v", name, got.Header)
		}
		if protocol := got.Header.Get("Sec-WebSocket-Protocol"); way.header != nil && protocol != "v4.channel.k8s.io, channel.k8s.io" {
			t.Errorf("%s: the kubelet was offered %q", name, protocol)
		}
	}
	// Pods have sessions of their own.
	pod := newFakePod(r)
	r.do(http.MethodGet, pod.path("http", "/"), secrets)
	got := pod.last()
	if strings.Contains(strings.Join(got.Header["Cookie"], ""), "crumbs") == false || got.Header.Get("X-Harmless") != "stays" {
		t.Errorf("The pod got %v", got.Header)
	}
	for key, values := range got.Header {
		if text := strings.Join(values, ","); strings.Contains(text, "secret") || strings.Contains(text, "alice") {
			t.Errorf("The pod got %s: %s", key, text)
		}
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	r := newRig(t)
	var places []*connection
	for range maxConnections {
		place, err := r.connector.connections.reserve()
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, place)
	}
	r.refuses(http.StatusTooManyRequests, "too many connections")
	if got := r.do(http.MethodGet, podPath("log"), nil).Header.Get("Retry-After"); got != "5" {
		t.Errorf("Retry-After is %q", got)
	}
	for _, place := range places {
		place.release()
	}
	if resp := r.do(http.MethodGet, podPath("log"), nil); resp.StatusCode != http.StatusOK {
		t.Errorf("Got %s", resp.Status)
	}
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
