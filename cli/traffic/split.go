package traffic

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
)

// whole is everything, in hundredths of a percent.
const whole = 10_000

// NewSplit makes `hansom traffic split`.
func NewSplit(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "split <service> <version>=<percent>...",
		Short: "Give versions of a service a share of its requests",
		Long: `Give versions of a service a share of its requests, in percent with up to two decimals. Versions that are not named
share the rest, in proportion to their instances. The shares hold for versions, however many instances each has.
A split replaces the one before; the same customers stay with a version while its share changes.`,
		Example: `  hansom traffic split core.eta 20260101000000=10
  hansom traffic split core.eta 20260101000000=0.5 20260201000000=20`,
		Args:              factory.Args(cobra.MinimumNArgs(2)),
		ValidArgsFunction: f.CompleteServices(&o.Connection, false),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Service = args[0]
			var err error
			if o.Shares, err = parseShares(args[1:]); err != nil {
				return factory.Usage(cmd, "%w", err)
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.Connection.Bind(cmd)
	o.Format.Bind(cmd)
	return cmd
}

func split(ctx context.Context, f *factory.Factory, o *Options) error {
	response, err := set(ctx, f, o)
	if err != nil {
		return err
	}
	if o.Format == output.JSON {
		return output.Message(f.Out, response)
	}
	var shares []string
	rest := uint32(whole)
	for _, s := range response.GetSplit().GetShares() {
		shares = append(shares, fmt.Sprintf("%s to version %s", output.Percent(s.GetBasisPoints()), s.GetVersion()))
		rest -= s.GetBasisPoints()
	}
	if rest > 0 {
		shares = append(shares, output.Percent(rest)+" to the others")
	}
	_, err = fmt.Fprintf(f.Out, "%s: %s\n", o.Service, strings.Join(shares, ", "))
	return err
}

// parseShares reads arguments such as 20260101=12.5.
func parseShares(args []string) ([]*bindingpb.Share, error) {
	var shares []*bindingpb.Share
	seen := map[string]bool{}
	sum := uint32(0)
	for _, arg := range args {
		version, percent, ok := strings.Cut(arg, "=")
		if !ok || version == "" {
			return nil, fmt.Errorf("share %q: want <version>=<percent>, such as 20260101000000=10", arg)
		}
		points, err := parsePercent(percent)
		if err != nil {
			return nil, fmt.Errorf("share %q: %w", arg, err)
		}
		if seen[version] {
			return nil, fmt.Errorf("version %s is named twice", version)
		}
		seen[version] = true
		shares = append(shares, &bindingpb.Share{Version: version, BasisPoints: points})
		sum += points
	}
	if sum > whole {
		return nil, fmt.Errorf("the shares add up to %s, more than everything", output.Percent(sum))
	}
	return shares, nil
}

// parsePercent reads "10", "12.5" or "0.05", also with a percent sign, as hundredths of a percent.
func parsePercent(s string) (uint32, error) {
	bad := fmt.Errorf("percent %q: want a number from 0 to 100 with up to two decimals", s)
	number, decimals, _ := strings.Cut(strings.TrimSuffix(s, "%"), ".")
	if len(decimals) > 2 {
		return 0, bad
	}
	points, err := strconv.ParseUint(number+(decimals + "00")[:2], 10, 32)
	if err != nil || number == "" || points > whole {
		return 0, bad
	}
	return uint32(points), nil
}
