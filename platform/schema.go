package platform

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/hansom-platform/hansom/fault"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

// schema describes the service's endpoints, with the files of all their messages.
func (s *Service) schema() (*hansompb.SchemaResponse, error) {
	set := &descriptorpb.FileDescriptorSet{}
	seen := make(map[string]bool)
	for _, r := range s.sortedRoutes() {
		if r.builtin || r.http {
			continue
		}
		for _, m := range []proto.Message{r.endpoint.NewRequest(), r.endpoint.NewResponse()} {
			addFile(set, seen, m.ProtoReflect().Descriptor().ParentFile())
		}
	}
	files, err := proto.Marshal(set)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "platform.schema", "the schema of %s cannot be encoded", s.name)
	}
	return &hansompb.SchemaResponse{Endpoints: s.endpointSchemas(), Files: files}, nil
}

// addFile adds f after the files that it imports, as readers of a
// FileDescriptorSet want them.
func addFile(set *descriptorpb.FileDescriptorSet, seen map[string]bool, f protoreflect.FileDescriptor) {
	if seen[f.Path()] {
		return
	}
	seen[f.Path()] = true
	for imports, i := f.Imports(), 0; i < imports.Len(); i++ {
		addFile(set, seen, imports.Get(i).FileDescriptor)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
}
