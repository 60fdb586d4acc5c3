package config

import (
	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// layers say what is compiled. Their region is not the one that the command routes from.
type layers struct {
	Service     string
	Region      string
	Environment string
	Path        string
	AsOf        uint64
}

// bind must come before the connection's flags, which leave out --region then.
func (l *layers) bind(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&l.Region, "region", "", "`region` whose layers count, \"\" for none (default $HANSOM_REGION, else what admin.json says, else local)")
	fl.StringVar(&l.Environment, "env", "", "`environment` whose layers count (default the platform's own)")
	fl.StringVar(&l.Path, "path", "", "only what is at this dotted `path`, such as hansom.gateway")
	fl.Uint64Var(&l.AsOf, "as-of", 0, "as it was at this `revision` (default now)")
}

func (l *layers) complete(cmd *cobra.Command, f *factory.Factory, c *factory.Connection) {
	if !cmd.Flags().Changed("region") {
		l.Region = f.From(*c).Region
	}
}

func (l *layers) message() *configpb.Layers {
	return &configpb.Layers{Service: l.Service, Region: l.Region, Environment: l.Environment}
}
