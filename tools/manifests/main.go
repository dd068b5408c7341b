// Command manifests checks what is written for other tools, by those tools' own
// types and parsers: Kubernetes' manifests and what gonicorn init kubernetes
// prints are decoded strictly, the Helm chart is linted and rendered, Nomad's job
// is parsed, and the settings named in them are gonicorn's.
//
//	cd tools/manifests && go run . ../..
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2/hclparse"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

func main() {
	root := "../.."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := check(root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("the examples are what their tools take")
}

func check(root string) error {
	text, err := os.ReadFile(filepath.Join(root, "examples/kubernetes/gonicorn.yaml"))
	if err != nil {
		return err
	}
	if err := kubernetes("gonicorn.yaml", text); err != nil {
		return err
	}
	printed, err := exec.Command(filepath.Join(root, "bin/gonicorn"), "init", "kubernetes", "main:app", "-w", "4").Output()
	if err != nil {
		return fmt.Errorf("gonicorn init kubernetes: %w (make build first)", err)
	}
	if err := kubernetes("gonicorn init kubernetes", printed); err != nil {
		return err
	}
	if err := chart(filepath.Join(root, "examples/kubernetes/chart")); err != nil {
		return err
	}
	_, diagnostics := hclparse.NewParser().ParseHCLFile(filepath.Join(root, "examples/nomad/shop.nomad.hcl"))
	if diagnostics.HasErrors() {
		return diagnostics
	}
	return settings(root)
}

// kubernetes decodes documents of YAML: a field that a type has not is an error.
func kubernetes(name string, text []byte) error {
	docs := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	n := 0
	for ; ; n++ {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		var kind struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal(doc, &kind); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		into := map[string]any{
			"apps/v1 Deployment": &appsv1.Deployment{}, "v1 Service": &corev1.Service{},
			"policy/v1 PodDisruptionBudget":          &policyv1.PodDisruptionBudget{},
			"autoscaling/v2 HorizontalPodAutoscaler": &autoscalingv2.HorizontalPodAutoscaler{},
		}[kind.APIVersion+" "+kind.Kind]
		if into == nil {
			return fmt.Errorf("%s: %s %s is none that is checked", name, kind.APIVersion, kind.Kind)
		}
		if err := yaml.UnmarshalStrict(doc, into); err != nil {
			return fmt.Errorf("%s: %s: %w", name, kind.Kind, err)
		}
		if d, is := into.(*appsv1.Deployment); is {
			if err := deployment(d); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if n < 3 {
		return fmt.Errorf("%s: %d documents", name, n)
	}
	return nil
}

// deployment checks what the examples promise.
func deployment(d *appsv1.Deployment) error {
	pod := d.Spec.Template.Spec
	for _, c := range pod.Containers {
		s := c.SecurityContext
		switch {
		case pod.SecurityContext == nil || pod.SecurityContext.RunAsNonRoot == nil || !*pod.SecurityContext.RunAsNonRoot:
			return errors.New("it may run as root")
		case s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem:
			return errors.New("its root file system can be written")
		case c.ReadinessProbe == nil || c.LivenessProbe == nil || c.StartupProbe == nil:
			return errors.New("a probe is missing")
		case c.Lifecycle == nil || c.Lifecycle.PreStop == nil || c.Lifecycle.PreStop.Sleep == nil:
			return errors.New("there is no preStop")
		case pod.TerminationGracePeriodSeconds == nil || *pod.TerminationGracePeriodSeconds < 30+c.Lifecycle.PreStop.Sleep.Seconds:
			return errors.New("the grace period is too short")
		}
	}
	return nil
}

// chart lints the Helm chart and renders it both ways.
func chart(path string) error {
	lint := action.NewLint()
	lint.Strict = true
	if result := lint.Run([]string{path}, nil); len(result.Errors) > 0 {
		return fmt.Errorf("helm lint: %w", errors.Join(result.Errors...))
	}
	c, err := loader.Load(path)
	if err != nil {
		return fmt.Errorf("load chart: %w", err)
	}
	for _, scaled := range []bool{false, true} {
		values, err := chartutil.ToRenderValues(c, map[string]any{"autoscaling": map[string]any{"enabled": scaled}},
			chartutil.ReleaseOptions{Name: "shop", Namespace: "default"}, nil)
		if err != nil {
			return fmt.Errorf("values: %w", err)
		}
		files, err := engine.Render(c, values)
		if err != nil {
			return fmt.Errorf("render: %w", err)
		}
		var all []string
		for _, text := range files {
			if strings.TrimSpace(text) != "" {
				all = append(all, text)
			}
		}
		if err := kubernetes("the chart", []byte(strings.Join(all, "\n---\n"))); err != nil {
			return err
		}
	}
	return nil
}

// settings checks the variables in all of it against gonicorn's own list.
func settings(root string) error {
	known, err := os.ReadFile(filepath.Join(root, "docs/settings.md"))
	if err != nil {
		return err
	}
	return filepath.WalkDir(filepath.Join(root, "examples"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !regexp.MustCompile(`\.(ya?ml|hcl)$`).MatchString(path) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, name := range regexp.MustCompile(`\bGONICORN_[A-Z_]+[A-Z]\b`).FindAllString(string(text), -1) {
			if !bytes.Contains(known, []byte("`"+name+"`")) {
				return fmt.Errorf("%s: there is no setting %s", path, name)
			}
		}
		return nil
	})
}
