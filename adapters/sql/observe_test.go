package sql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/adapters/adaptertest"
)

func TestMetrics(t *testing.T) {
	const (
		ok     = "adapter=sql,code=OK,name=orders,operation=SELECT,service=core.probe"
		failed = "adapter=sql,code=INTERNAL,name=orders,operation=SELECT,service=core.probe"
		of     = "adapter=sql,name=orders,service=core.probe,state="
	)
	eachServer(t, func(t *testing.T, s *server) {
		s.start("max_open", 7)
		operations := func(labels string) float64 { return adaptertest.Sample(t, "hansom_adapter_operations_total", labels) }
		okBefore, failedBefore := operations(ok), operations(failed)
		s.exec(t, "SELECT 1")
		_, err := s.db.Exec(t.Context(), "SELECT nothing FROM nowhere")
		if err == nil {
			t.Fatal("selecting from nowhere succeeded")
		}
		if got := operations(ok) - okBefore; got != 1 {
			t.Errorf("counted %v operations %s, want 1:\n%s", got, ok, adaptertest.Metrics(t))
		}
		if got := operations(failed) - failedBefore; got != 1 {
			t.Errorf("counted %v operations %s, want 1", got, failed)
		}
		tx, err := s.db.Begin(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for state, want := range map[string]float64{"in_use": 1, "max": 7} {
			if got := adaptertest.Sample(t, "hansom_adapter_connections", of+state); got != want {
				t.Errorf("with a transaction open %v connections are %s, want %v", got, state, want)
			}
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		for state, want := range map[string]float64{"in_use": 0, "idle": 1} {
			if got := adaptertest.Sample(t, "hansom_adapter_connections", of+state); got != want {
				t.Errorf("after the transaction %v connections are %s, want %v", got, state, want)
			}
		}
	})
}

func TestMadeUpStatementsDoNotMakeUpLabels(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start()
		for i := range 200 {
			word := "ZZ" + string(rune('A'+i%26)) + string(rune('A'+i/26))
			_, _ = s.db.Exec(t.Context(), word+" 1")
		}
		if n := strings.Count(adaptertest.Metrics(t), "operation=ZZ"); n > 300 { // three lines each, of at most 100
			t.Errorf("200 made-up statements have %d lines of metrics, want at most 300", n)
		}
	})
}

func TestSpans(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		exported := adaptertest.Spans(t, "orders")
		s.start()
		s.table(t, "fares", "id INT PRIMARY KEY, owner VARCHAR(20)")
		s.exec(t, "INSERT INTO fares VALUES (?, ?)", 1, "alice@example")
		s.exec(t, "UPDATE fares SET owner = 'bob@example'")
		_, _ = s.db.Exec(t.Context(), "INSERT INTO fares VALUES (1, 'carol@example')")
		text := exported()
		for _, want := range []string{
			`"Name":"INSERT orders"`,
			attribute("db.system.name", s.system), attribute("db.namespace", s.first), attribute("db.operation.name", "INSERT"),
			attribute("server.address", "127.0.0.1"), fmt.Sprintf(`"Key":"server.port","Value":{"Type":"INT64","Value":%d}`, s.engine.Port),
			attribute("error.type", "adapters.sql.unique"),
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no span has %s:\n%s", want, text)
			}
		}
		for _, never := range []string{"alice@example", "bob@example", "carol@example", "rpc.", adaptertest.Password} {
			if strings.Contains(text, never) {
				t.Errorf("a span has %q:\n%s", never, text)
			}
		}
	})
}

func attribute(key, value string) string {
	return fmt.Sprintf(`"Key":%q,"Value":{"Type":"STRING","Value":%q}`, key, value)
}

func TestSecretsStayInside(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		exported := adaptertest.Spans(t, "orders")
		inURL := strings.Replace(s.url(s.first), "@", ":s3cr3t%2Fpa55%3Fword@", 1)
		s.settings = map[string]any{"url": inURL}
		s.start()
		s.exec(t, "SELECT 1")
		var errs []string
		for _, change := range []map[string]any{
			s.with("url", strings.Replace(inURL, "s3cr3t%2F", "s3cr3t/", 1)),
			s.with("url", strings.Replace(inURL, "s3cr3t", "s3cr3t%zz", 1)),
			s.with("url", strings.Replace(inURL, ":"+fmt.Sprint(s.engine.Port), ":port", 1)),
			s.with("url", strings.Replace(inURL, "127.0.0.1:"+fmt.Sprint(s.engine.Port), "127.0.0.1:1", 1)),
			s.with("url", strings.Replace(inURL, "s3cr3t", "other-s3cr3t", 1)),
			s.with("passwort", "s3cr3t"),
			s.with("password", []string{"s3cr3t"}),
		} {
			s.Configure("sql", "orders", nil) // so that the broken one's error reaches operations
			s.Log.Await(t, "the configuration was removed")
			s.Configure("sql", "orders", change)
			adaptertest.Await(t, "the broken configuration", func() error {
				err := s.db.Check(t.Context())
				if err == nil || strings.Contains(err.Error(), "not_configured") {
					return fmt.Errorf("the check says %w", err)
				}
				errs = append(errs, err.Error())
				return nil
			})
			s.Configure("sql", "orders", s.settings)
			adaptertest.Await(t, "the good configuration", func() error { return s.db.Check(t.Context()) })
			errs = append(errs, s.Log.Take())
		}
		places := map[string]string{"errors and logs": strings.Join(errs, "\n"), "metrics": adaptertest.Metrics(t), "spans": exported()}
		for place, text := range places {
			if i := strings.Index(text, "s3cr3t"); i >= 0 || strings.Contains(text, "pa55") {
				t.Errorf("the %s show the password: …%s…", place, text[max(0, i-200):min(len(text), i+200)])
			}
		}
	})
}
