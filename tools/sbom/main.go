// Command sbom writes, as CycloneDX, what a Go binary is made of, by what the
// binary says of itself.
//
//	cd tools/sbom && go run . ../../bin/gonicorn sbom.cdx.json
package main

import (
	"debug/buildinfo"
	"fmt"
	"os"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: sbom BINARY DOCUMENT")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func write(binary, document string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read %s: %w", binary, err)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: component(cdx.ComponentTypeApplication, info.Main.Path, info.Main.Version)}
	parts := []cdx.Component{*component(cdx.ComponentTypeLibrary, "std", info.GoVersion)}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		c := component(cdx.ComponentTypeLibrary, m.Path, m.Version)
		if m.Sum != "" {
			c.Properties = &[]cdx.Property{{Name: "go:sum", Value: m.Sum}}
		}
		parts = append(parts, *c)
	}
	bom.Components = &parts
	out, err := os.Create(document)
	if err != nil {
		return fmt.Errorf("write SBOM: %w", err)
	}
	defer out.Close()
	if err := cdx.NewBOMEncoder(out, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return fmt.Errorf("write SBOM: %w", err)
	}
	return out.Close()
}

func component(kind cdx.ComponentType, path, version string) *cdx.Component {
	url := "pkg:golang/" + path + "@" + version
	return &cdx.Component{BOMRef: url, Type: kind, Name: path, Version: version, PackageURL: url}
}
