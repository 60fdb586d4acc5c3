package rabbitbus

import "context"

// CheckManagement asks the management API that a binding service needs, as the user that it is going to be. It fails, and says
// what to do, where nothing answers or the user is refused.
func CheckManagement(ctx context.Context, config Config) error {
	api, err := newManagement(config)
	if err != nil {
		return err
	}
	defer api.close()
	return api.get(ctx, nil, "cluster-name")
}
