// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package servingcert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/klog/v2"
)

const (
	// checkPeriod is how often Secret and APIServices are looked at. It bounds
	// how long a replica serves a certificate that another one has replaced,
	// and how long an APIService that was applied after the start stays
	// unavailable.
	checkPeriod = 10 * time.Second

	// fieldManager owns what this package writes.
	fieldManager = "yurt-apiserver-servingcert"
)

var apiServices = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}

// Config says where the certificate is kept and for whom it is.
type Config struct {
	// Namespace and Secret name the Secret.
	Namespace, Secret string
	// DNSNames are what the certificate is good for. At least one.
	DNSNames []string
	// APIServices are the names of the APIServices whose caBundle is kept.
	APIServices []string
}

// Provider hands the certificate to a server and keeps it. Use it as the
// server's GeneratedCert: the server runs it.
type Provider struct {
	config      Config
	secrets     corev1client.SecretInterface
	apiServices dynamic.ResourceInterface
	now         func() time.Time

	mu        sync.RWMutex // guards the fields below
	data      map[string][]byte
	listeners []dynamiccertificates.Listener
	troubles  string // what failed in the last check, so that it is logged once
}

var (
	_ dynamiccertificates.CertKeyContentProvider = &Provider{}
	_ dynamiccertificates.ControllerRunner       = &Provider{}
)

// New returns a provider that knows nothing yet: RunOnce or Run makes it.
func New(config Config, client kubernetes.Interface, dynamicClient dynamic.Interface) *Provider {
	return &Provider{
		config:      config,
		secrets:     client.CoreV1().Secrets(config.Namespace),
		apiServices: dynamicClient.Resource(apiServices),
		now:         time.Now,
	}
}

// Name names the provider in logs.
func (p *Provider) Name() string {
	return "secret/" + p.config.Namespace + "/" + p.config.Secret
}

// CurrentCertKeyContent returns certificate and key in PEM.
func (p *Provider) CurrentCertKeyContent() ([]byte, []byte) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.data[keyTLSCert], p.data[keyTLSKey]
}

// AddListener has listener told of each change.
func (p *Provider) AddListener(listener dynamiccertificates.Listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners = append(p.listeners, listener)
}

// RunOnce makes or fetches the certificate. It fails if there is none after it;
// APIServices that could not be written are Run's to try again.
func (p *Provider) RunOnce(ctx context.Context) error {
	if err := p.syncSecret(ctx); err != nil {
		return fmt.Errorf("keeping serving certificate in secret %s/%s: %w", p.config.Namespace, p.config.Secret, err)
	}
	return nil
}

// Run keeps the certificate until ctx is done.
func (p *Provider) Run(ctx context.Context, _ int) {
	wait.JitterUntilWithContext(ctx, p.check, checkPeriod, 0.1, true)
}

// check does one round, and logs trouble when it begins, changes or ends.
func (p *Provider) check(ctx context.Context) {
	err := errors.Join(p.RunOnce(ctx), p.syncAPIServices(ctx))
	if ctx.Err() != nil {
		return
	}
	now := ""
	if err != nil {
		now = err.Error()
	}
	p.mu.Lock()
	before := p.troubles
	p.troubles = now
	p.mu.Unlock()
	switch {
	case now == before:
	case now != "":
		klog.FromContext(ctx).Info("Serving certificate is not in order, will try again", "period", checkPeriod, "err", err)
	default:
		klog.FromContext(ctx).Info("Serving certificate is in order again")
	}
}

// syncSecret makes the Secret good, or takes what another replica has made.
func (p *Provider) syncSecret(ctx context.Context) error {
	const attempts = 5 // each is lost only to another replica that has won
	var err error
	for range attempts {
		var data map[string][]byte
		data, err = p.trySecret(ctx)
		if err == nil {
			p.set(ctx, data)
			return nil
		}
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return err
}

func (p *Provider) trySecret(ctx context.Context) (map[string][]byte, error) {
	secret, err := p.secrets.Get(ctx, p.config.Secret, metav1.GetOptions{})
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return nil, err
	}
	if missing {
		secret = &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: p.config.Namespace, Name: p.config.Secret},
			Type:       corev1.SecretTypeTLS,
		}
	}
	data, changed, err := renewed(secret.Data, p.config.DNSNames, p.now())
	if err != nil || !changed {
		return data, err
	}
	secret = secret.DeepCopy()
	secret.Data = data
	if missing {
		_, err = p.secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: fieldManager})
	} else {
		_, err = p.secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: fieldManager})
	}
	if err != nil {
		return nil, err
	}
	klog.FromContext(ctx).Info("Issued serving certificate", "secret", klog.KObj(secret), "dnsNames", p.config.DNSNames)
	return data, nil
}

func (p *Provider) set(ctx context.Context, data map[string][]byte) {
	p.mu.Lock()
	changed := !bytes.Equal(p.data[keyTLSCert], data[keyTLSCert])
	p.data = data
	listeners := p.listeners
	p.mu.Unlock()
	if !changed {
		return
	}
	klog.FromContext(ctx).V(2).Info("Loaded serving certificate", "secret", klog.KRef(p.config.Namespace, p.config.Secret))
	for _, listener := range listeners {
		listener.Enqueue()
	}
}

// syncAPIServices writes the CA where the aggregator looks for it. It patches
// one field, so that the rest stays whoever's who applies the manifests.
func (p *Provider) syncAPIServices(ctx context.Context) error {
	p.mu.RLock()
	bundle := p.data[keyCACert]
	p.mu.RUnlock()
	if bundle == nil {
		return nil // RunOnce has said why
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"caBundle": bundle}})
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range p.config.APIServices {
		if err := p.syncAPIService(ctx, name, bundle, patch); err != nil {
			errs = append(errs, fmt.Errorf("keeping caBundle of APIService %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (p *Provider) syncAPIService(ctx context.Context, name string, bundle, patch []byte) error {
	service, err := p.apiServices.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	var have struct {
		Spec struct {
			CABundle []byte `json:"caBundle"`
		} `json:"spec"`
	}
	raw, err := service.MarshalJSON()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &have); err != nil {
		return err
	}
	if bytes.Equal(have.Spec.CABundle, bundle) {
		return nil
	}
	_, err = p.apiServices.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	if err == nil {
		klog.FromContext(ctx).Info("Wrote caBundle", "apiService", klog.KRef("", name))
	}
	return err
}
