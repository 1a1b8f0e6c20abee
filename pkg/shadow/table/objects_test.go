// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"path/filepath"
	"sync"
	"testing"
	"text/template"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// createOnce has the objects of testdata created once for all tests.
var createOnce sync.Once

// createObjects creates the objects of testdata.
func createObjects(t *testing.T, config *rest.Config) {
	t.Helper()
	createOnce.Do(func() {
		files, err := filepath.Glob("testdata/*.yaml")
		if err != nil {
			t.Fatal(err)
		}
		client, err := dynamic.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		groups, err := restmapper.GetAPIGroupResources(discovery.NewDiscoveryClientForConfigOrDie(config))
		if err != nil {
			t.Fatal(err)
		}
		mapper := restmapper.NewDiscoveryRESTMapper(groups)
		for _, file := range files {
			for _, obj := range readObjects(t, file) {
				createObject(t, client, mapper, obj)
			}
		}
	})
}

func createObject(t *testing.T, client dynamic.Interface, mapper meta.RESTMapper, obj *unstructured.Unstructured) {
	t.Helper()
	mapping, err := mapper.RESTMapping(obj.GroupVersionKind().GroupKind(), obj.GroupVersionKind().Version)
	if err != nil {
		t.Fatalf("%s: %v", obj.GetName(), err)
	}
	objects := client.Resource(mapping.Resource).Namespace(obj.GetNamespace())
	created, err := objects.Create(t.Context(), obj, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("%s %s: %v", obj.GetKind(), obj.GetName(), err)
	}
	if status, ok := obj.Object["status"]; ok {
		subresources := []string{"status"}
		if obj.GetKind() == "CertificateSigningRequest" {
			subresources = []string{"approval", "status"}
		}
		for _, subresource := range subresources {
			created.Object["status"] = status
			if created, err = objects.Update(t.Context(), created, metav1.UpdateOptions{}, subresource); err != nil {
				t.Fatalf("%s of %s %s: %v", subresource, obj.GetKind(), obj.GetName(), err)
			}
		}
	}
	if obj.GetAnnotations()["delete"] != "" {
		if err := objects.Delete(t.Context(), obj.GetName(), metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func readObjects(t *testing.T, file string) []*unstructured.Unstructured {
	t.Helper()
	request, certificate := newCertificate(t)
	ago := func(layout string) func(string) (string, error) {
		return func(s string) (string, error) {
			d, err := time.ParseDuration(s)
			return time.Now().UTC().Add(-d).Format(layout), err
		}
	}
	tmpl, err := template.New(filepath.Base(file)).Funcs(template.FuncMap{
		"ago":         ago(time.RFC3339),
		"agoMicro":    ago(metav1.RFC3339Micro),
		"request":     func() string { return request },
		"certificate": func() string { return certificate },
	}).ParseFiles(file)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := tmpl.Execute(&text, nil); err != nil {
		t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(&text, 4096); ; {
		obj := &unstructured.Unstructured{}
		if err := decoder.Decode(obj); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatalf("%s, after %d objects: %v", file, len(objects), err)
		}
		objects = append(objects, obj)
	}
}

// newCertificate returns a certificate request and a certificate, as they are in
// a CertificateSigningRequest.
func newCertificate(t *testing.T) (request, certificate string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	subject := pkix.Name{CommonName: "someone"}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: subject, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE REQUEST", csr), encode("CERTIFICATE", der)
}
