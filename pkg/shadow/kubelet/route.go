// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/proxy"
	"k8s.io/apiserver/pkg/registry/rest"
)

// keepAlive finds a backend that vanished without a word within 45 seconds.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3}

// route leads one request to one backend.
//
// It speaks TLS where it must as part of connecting, so that there is one place
// where backends are checked, whoever connects: http.Transport, the upgrading proxy
// or the translator of streams. Therefore the URLs that go with its transport have
// the scheme http.
type route struct {
	connector *Connector
	// to names the backend for people.
	to string
	// host and port are where it is.
	host, port string
	// tls makes the connection secure. nil means plain text.
	tls func(context.Context) *tls.Config
	// kubelet says that the backend is obeyed by: it must not be an API server.
	kubelet bool
	// answerWithin bounds the wait for an answer. 0 means no bound.
	answerWithin time.Duration

	mu sync.Mutex // guards the fields below
	// failure is why connecting failed. Proxies keep no more of it than the text.
	failure *apierrors.StatusError
	// made are the connections made, for close.
	made []*connection
}

func (r *route) address() string { return net.JoinHostPort(r.host, r.port) }

// url returns the URL of path at the backend.
func (r *route) url(path string, query url.Values) *url.URL {
	return &url.URL{Scheme: "http", Host: r.address(), Path: path, RawQuery: query.Encode()}
}

// transport takes each request to the backend, whatever its URL says.
func (r *route) transport() *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := r.dial(ctx)
			r.mu.Lock()
			defer r.mu.Unlock()
			if err != nil {
				r.failure = r.dialStatus(err)
				return nil, r.failure
			}
			r.made = append(r.made, conn)
			return conn, nil
		},
		DisableKeepAlives:  true, // the next request may find another certificate or address
		DisableCompression: true, // what the client can take is the client's to say
	}
}

func (r *route) dial(ctx context.Context) (*connection, error) {
	place, err := r.connector.connections.reserve()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.connector.config.DialTimeout)
	defer cancel()
	dialer := net.Dialer{KeepAliveConfig: keepAlive, ControlContext: r.check}
	conn, err := dialer.DialContext(ctx, "tcp", r.address())
	if err != nil {
		place.release()
		return nil, err
	}
	if r.tls != nil {
		secure := tls.Client(conn, r.tls(ctx))
		if err := secure.HandshakeContext(ctx); err != nil {
			place.release()
			conn.Close()
			return nil, err
		}
		conn = secure
	}
	if err := place.established(conn, r.answerWithin); err != nil {
		place.release()
		conn.Close()
		return nil, err
	}
	return place, nil
}

// close closes what is still open of the connections made.
func (r *route) close() {
	r.mu.Lock()
	made := r.made
	r.made = nil
	r.mu.Unlock()
	for _, conn := range made {
		conn.Close()
	}
}

// serve returns a handler that serves one request with another one, and then
// closes what that has left open: a translator of streams forgets the connection if
// the kubelet will not upgrade it.
func (r *route) serve(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer r.close()
		handler.ServeHTTP(w, req)
	})
}

// check is asked about each resolved address before anything is sent to it.
func (r *route) check(_ context.Context, _, address string, _ syscall.RawConn) error {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if r.kubelet && slices.Contains(r.connector.config.ServerPorts, int(parsed.Port())) {
		return fmt.Errorf("%w: port %d is the API server's", errAddress, parsed.Port())
	}
	return r.connector.checkAddress(parsed.Addr())
}

// dialStatus says why there is no connection, and where to look.
func (r *route) dialStatus(err error) *apierrors.StatusError {
	var untrusted *tls.CertificateVerificationError
	var misnamed *nodeNameError
	switch {
	case errors.Is(err, errAddress):
		return apierrors.NewBadRequest(fmt.Sprintf("%s: %v", r.to, err))
	case errors.Is(err, errTooMany):
		return apierrors.NewTooManyRequests(err.Error(), 5)
	case errors.As(err, &untrusted), errors.As(err, &misnamed):
		return apierrors.NewInternalError(fmt.Errorf("%s at %s cannot be trusted: %w", r.to, r.address(), err))
	default:
		return apierrors.NewServiceUnavailable(fmt.Sprintf("%s at %s cannot be reached: %v", r.to, r.address(), err))
	}
}

// status makes an answer of whatever failed on the way.
func (r *route) status(err error) error {
	r.mu.Lock()
	failure := r.failure
	r.mu.Unlock()
	if failure != nil {
		return failure
	}
	var status *apierrors.StatusError
	if errors.As(err, &status) {
		return status
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return apierrors.NewTimeoutError(fmt.Sprintf("%s at %s did not answer within %s", r.to, r.address(), r.answerWithin), 0)
	}
	return apierrors.NewServiceUnavailable(fmt.Sprintf("%s at %s: %v", r.to, r.address(), err))
}

// upgrade returns the handler that passes an upgraded connection on to location.
func (r *route) upgrade(location *url.URL, responder rest.Responder) http.Handler {
	return proxy.NewUpgradeAwareHandler(location, r.transport(), false, true, errorResponder{r, responder})
}

// proxy returns the handler that passes any request on to location, upgraded or
// not, and what the backend calls itself in answers made good for the client.
func (r *route) proxy(location *url.URL, responder rest.Responder) http.Handler {
	return proxy.NewUpgradeAwareHandler(location, r.transport(), true, false, errorResponder{r, responder})
}

// errorResponder answers with a Status what failed on a route.
type errorResponder struct {
	route     *route
	responder rest.Responder
}

func (e errorResponder) Error(_ http.ResponseWriter, _ *http.Request, err error) {
	e.responder.Error(e.route.status(err))
}

// nodeNameError says that a certificate is another's.
type nodeNameError struct {
	node  string
	names []string
}

func (e *nodeNameError) Error() string {
	return fmt.Sprintf("its certificate is for %q, and must name the node %q: as common name, with or without \"system:node:\", or as DNS name", e.names, e.node)
}

// namesNode says whether a certificate, of which it is known that its address is
// right, is a node's.
func namesNode(certificate *x509.Certificate, node string) error {
	names := append([]string{certificate.Subject.CommonName}, certificate.DNSNames...)
	if slices.Contains(names, node) || certificate.Subject.CommonName == "system:node:"+node {
		return nil
	}
	return &nodeNameError{node: node, names: names}
}
