// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"io"

	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// The plugins have the names of the kube-apiserver's. In its order, First come
// after NamespaceLifecycle, then NodeRestriction, then Then, and then what
// administrators can add to: policies.
var (
	First = []string{limitRangerName, serviceAccountName}
	Then  = []string{
		podSecurityName, priorityName, tolerationsName, storageClassName, expansionName, runtimeClassName,
		approvalName, signingName, subjectName, ingressClassName, topologyName, featuresName, resizeName,
	}
)

// Register adds the plugins. The authorizer is asked who may approve and sign
// certificates.
func Register(plugins *admission.Plugins, objects Objects, authorizer authorizer.Authorizer) {
	for name, plugin := range map[string]admission.Interface{
		limitRangerName:    &limitRanger{onCreateAndUpdate(), objects},
		serviceAccountName: &serviceAccounts{onCreateAndUpdate(), objects},
		podSecurityName:    newPodSecurity(objects),
		priorityName:       &priorities{onCreateAndUpdate(), objects},
		tolerationsName:    tolerations{onCreateAndUpdate()},
		storageClassName:   &storageClasses{onCreate(), objects},
		expansionName:      &expansion{admission.NewHandler(admission.Update), objects},
		runtimeClassName:   &runtimeClasses{onCreate(), objects},
		approvalName:       &approval{admission.NewHandler(admission.Update), authorizer},
		signingName:        &signing{admission.NewHandler(admission.Update), authorizer},
		subjectName:        subject{onCreate()},
		ingressClassName:   &ingressClasses{onCreate(), objects},
		topologyName:       &topology{onCreate(), objects},
		featuresName:       newFeatures(objects),
		resizeName:         &resizes{admission.NewHandler(admission.Update), objects},
	} {
		plugins.Register(name, func(io.Reader) (admission.Interface, error) { return plugin, nil })
	}
}

func onCreate() *admission.Handler { return admission.NewHandler(admission.Create) }

func onCreateAndUpdate() *admission.Handler {
	return admission.NewHandler(admission.Create, admission.Update)
}
