// Command protoc-gen-hansom generates typed servers and clients from .proto
// services that carry the hansom options. It is a protoc plugin: buf runs it.
package main

import "google.golang.org/protobuf/compiler/protogen"

func main() {
	protogen.Options{}.Run(run)
}

// run generates for the files of p that have services.
func run(p *protogen.Plugin) error {
	p.SupportedFeatures = features
	for _, f := range p.Files {
		if !f.Generate || len(f.Services) == 0 {
			continue
		}
		if err := generate(p, f); err != nil {
			return err
		}
	}
	return nil
}
