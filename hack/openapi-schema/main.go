// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Command openapi-schema prints the generated OpenAPI definitions as one OpenAPI
// v2 document, which applyconfiguration-gen reads.
package main

import (
	"encoding/json"
	"log"
	"os"

	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/steppe-io/steppe/generated/openapi"
)

func main() {
	ref := func(name string) spec.Ref { return spec.MustCreateRef("#/definitions/" + name) }
	definitions := openapi.GetOpenAPIDefinitions(ref)

	schemas := make(map[string]spec.Schema, len(definitions))
	for name, definition := range definitions {
		schema := definition.Schema
		if v2, ok := schema.Extensions[common.ExtensionV2Schema].(spec.Schema); ok {
			schema = v2
		}
		schemas[name] = schema
	}
	document := spec.Swagger{SwaggerProps: spec.SwaggerProps{
		Swagger:     "2.0",
		Info:        &spec.Info{InfoProps: spec.InfoProps{Title: "Steppe", Version: "unversioned"}},
		Definitions: schemas,
	}}
	if err := json.NewEncoder(os.Stdout).Encode(&document); err != nil {
		log.Fatalf("Encoding the OpenAPI document: %v", err)
	}
}
