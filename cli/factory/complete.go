package factory

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	citypb "github.com/hansom-platform/hansom/proto/taxi/city"
)

// completeTimeout bounds how long a shell waits for the platform.
const completeTimeout = time.Second

// Finder finds what an argument may be. args are those before it.
type Finder func(ctx context.Context, s *Session, args []string) []string

// Complete completes each argument with what its finder finds; a nil finder, as an argument
// beyond the last, completes nothing. So does a platform out of reach.
func (f *Factory) Complete(c *Connection, find ...Finder) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= len(find) || find[len(args)] == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
		defer cancel()
		s, err := f.Open(ctx, *c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer s.Close()
		names := find[len(args)](ctx, s, args)
		slices.Sort(names)
		return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteFlag completes the value of a flag of cmd.
func (f *Factory) CompleteFlag(cmd *cobra.Command, flag string, c *Connection, find Finder) {
	complete := f.Complete(c, find)
	_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, to string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return complete(cmd, nil, to)
	})
}

// CompleteServices completes the first argument with the names of the services
// that run, and the second, where endpoints is true, with those of its endpoints.
func (f *Factory) CompleteServices(c *Connection, endpoints bool) cobra.CompletionFunc {
	if endpoints {
		return f.Complete(c, Services, Endpoints)
	}
	return f.Complete(c, Services)
}

// Services finds the names of what runs.
func Services(ctx context.Context, s *Session, _ []string) []string {
	var names []string
	for _, i := range running(ctx, s) {
		names = append(names, i.GetService())
	}
	return names
}

// Endpoints finds those of the service that is the argument before.
func Endpoints(ctx context.Context, s *Session, args []string) []string {
	var names []string
	for _, i := range running(ctx, s) {
		for _, e := range i.GetEndpoints() {
			if i.GetService() == args[len(args)-1] {
				names = append(names, e.GetEndpoint())
			}
		}
	}
	return names
}

// Documents finds the ids of configuration documents.
func Documents(ctx context.Context, s *Session, _ []string) []string {
	response, err := configpb.NewConfigClient(s).List(ctx, &configpb.ListRequest{})
	if err != nil {
		return nil
	}
	var ids []string
	for _, d := range response.GetDocuments() {
		ids = append(ids, d.GetId())
	}
	return ids
}

// Users finds the identifiers of an application's users.
func Users(application *string) Finder {
	return func(ctx context.Context, s *Session, _ []string) []string {
		response, err := loginpb.NewLoginClient(s).Users(ctx, &loginpb.UsersRequest{Application: *application})
		if err != nil {
			return nil
		}
		var names []string
		for _, u := range response.GetUsers() {
			names = append(names, u.GetIdentifiers()...)
		}
		return names
	}
}

// Cities finds the codes of cities.
func Cities(ctx context.Context, s *Session, _ []string) []string {
	response, err := citypb.NewCityClient(s).List(ctx, &citypb.ListRequest{})
	if err != nil {
		return nil
	}
	var codes []string
	for _, c := range response.GetCities() {
		codes = append(codes, c.GetCode())
	}
	return codes
}

func running(ctx context.Context, s *Session) []*discoverypb.Instance {
	response, err := discoverypb.NewDiscoveryClient(s).Instances(ctx, &discoverypb.InstancesRequest{})
	if err != nil {
		return nil
	}
	var all []*discoverypb.Instance
	for _, r := range response.GetRegistrations() {
		all = append(all, r.GetInstance())
	}
	return all
}
