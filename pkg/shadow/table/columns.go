// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metatable "k8s.io/apimachinery/pkg/api/meta/table"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// Placeholders for what is empty. Which one a cell has is kube-apiserver's
// choice, and scripts look for them.
const (
	none    = "<none>"
	unset   = "<unset>"
	unknown = "<unknown>"
)

type definitions = []metav1.TableColumnDefinition

var (
	objectMeta = metav1.ObjectMeta{}.SwaggerDoc()

	nameColumn = metav1.TableColumnDefinition{Name: "Name", Type: "string", Format: "name", Description: objectMeta["name"]}
	ageColumn  = text("Age", objectMeta["creationTimestamp"])

	containersColumn = wide(text("Containers", "The names of the containers in the template."))
	imagesColumn     = wide(text("Images", "The images of the containers in the template."))
)

func text(name, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "string", Description: description}
}

func integer(name, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "integer", Description: description}
}

func boolean(name, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "boolean", Description: description}
}

// wide has a column shown with -o wide only.
func wide(column metav1.TableColumnDefinition) metav1.TableColumnDefinition {
	column.Priority = 1
	return column
}

// age says how long ago an object was made.
func age(obj metav1.Object) string { return since(obj.GetCreationTimestamp()) }

func since(t metav1.Time) string { return metatable.ConvertToHumanReadableDateType(t) }

func sinceMicro(t metav1.MicroTime) string { return since(metav1.NewTime(t.Time)) }

func human(d time.Duration) string { return duration.HumanDuration(d) }

// or returns the string, or the placeholder if it is empty.
func or(s, placeholder string) string {
	if s == "" {
		return placeholder
	}
	return s
}

// deref returns what is pointed to as a string, or the placeholder.
func deref[S ~string](s *S, placeholder string) string {
	if s == nil {
		return placeholder
	}
	return string(*s)
}

// join joins strings of any string type.
func join[S ~string](list []S, separator string) string {
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(string(s))
	}
	return b.String()
}

// some shows at most so many of a list, and how many more there are.
func some(list []string, limit int, separator string) string {
	if len(list) <= limit {
		return strings.Join(list, separator)
	}
	return fmt.Sprintf("%s + %d more...", strings.Join(list[:limit], separator), len(list)-limit)
}

// containers returns names and images of containers.
func containers(pod *corev1.PodSpec) (names, images string) {
	var allNames, allImages []string
	for i := range pod.Containers {
		allNames = append(allNames, pod.Containers[i].Name)
		allImages = append(allImages, pod.Containers[i].Image)
	}
	return strings.Join(allNames, ","), strings.Join(allImages, ",")
}
