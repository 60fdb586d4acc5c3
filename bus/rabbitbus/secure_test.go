package rabbitbus

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// authority is a certificate authority of the test's own.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	return a
}

// issue writes NAME.pem and NAME.key.
func (a *authority) issue(name string, template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(a.t)
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent, signer = template, key
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer))(a.t)
	write(a.t, a.file(name+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	secret := must(x509.MarshalPKCS8PrivateKey(key))(a.t)
	write(a.t, a.file(name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	return must(x509.ParseCertificate(der))(a.t), key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

// secured returns the address of a TLS front of the broker that wants a client's certificate.
func (a *authority) secured(broker string) string {
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	a.issue("bus.test", &x509.Certificate{DNSNames: []string{"bus.test"}, ExtKeyUsage: usage}, a.cert, a.key)
	a.issue("client", &x509.Certificate{ExtKeyUsage: usage}, a.cert, a.key)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	l := must(tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{must(tls.LoadX509KeyPair(a.file("bus.test.pem"), a.file("bus.test.key")))(a.t)},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}))(a.t)
	a.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			front, err := l.Accept()
			if err != nil {
				return
			}
			go forward(front, broker)
		}
	}()
	return l.Addr().String()
}

func forward(front net.Conn, broker string) {
	defer front.Close()
	back, err := net.Dial("tcp", broker)
	if err != nil {
		return
	}
	defer back.Close()
	go func() {
		_, _ = io.Copy(back, front)
		_ = back.Close()
	}()
	_, _ = io.Copy(front, back)
}

func testTLS(t *testing.T, e *engine) {
	a := newAuthority(t)
	address := a.secured(e.broker("a").Nodes()[0].Address())
	user := must(url.Parse(e.broker("a").URL()))(t).User.String()
	raw := "amqps://" + user + "@" + address + "?region=eu-test-1&zone=a&server_name=bus.test"
	config := must(ParseURL(raw + "&cacert=" + a.file("ca.pem") + "&cert=" + a.file("client.pem") + "&key=" + a.file("client.key")))(t)
	c := e.connectBy(config)
	serve(t, c, "tls-1", echo)
	if err := ask(t, c, "tls-1", 5*time.Second); err != nil {
		t.Errorf("a call over TLS: %v", err)
	}
	for name, url := range map[string]string{
		"an unknown authority":      raw + "&cert=" + a.file("client.pem") + "&key=" + a.file("client.key"),
		"no certificate of its own": raw + "&cacert=" + a.file("ca.pem"),
		"another server's name":     strings.Replace(raw, "bus.test", "other.test", 1) + "&cacert=" + a.file("ca.pem"),
	} {
		_, err := open(t.Context(), must(ParseURL(url))(t))
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("TLS with %s: got %v; want UNAVAILABLE", name, err)
		}
	}
}

// testFewPermissions opens the bus as a user who may use but not make it.
func testFewPermissions(t *testing.T, e *engine) {
	m := must(newManagement(e.config(zoneA)))(t)
	put := func(body any, path ...string) {
		t.Helper()
		if err := m.put(t.Context(), body, path...); err != nil {
			t.Fatal(err)
		}
	}
	put(map[string]string{"password": "few-secret", "tags": ""}, "users", "few")
	put(struct{}{}, "vhosts", "empty")
	for _, vhost := range []string{"/", "empty"} {
		put(map[string]string{
			"configure": `^(few-.*|h2\.reply\..*)$`,
			"write":     `^(few-.*|h2\.reply\..*|h2|h2\.direct|amq\.default)$`,
			"read":      `^(few-.*|h2\.reply\..*|h2\.direct)$`,
		}, "permissions", vhost, "few")
	}
	e.connect(zoneA) // makes the exchanges
	config := e.config(zoneA)
	config.URL = "amqp://few:few-secret@" + e.broker("a").Nodes()[0].Address()
	c := e.connectBy(config)
	serve(t, c, "few-1", echo)
	if err := ask(t, c, "few-1", 5*time.Second); err != nil {
		t.Errorf("a call with few permissions: %v", err)
	}
	_, err := c.Serve(t.Context(), "many-1", echo)
	wantFault(t, err, fault.Unavailable, driver.ReasonEngine)
	if !strings.Contains(err.Error(), "permission") {
		t.Errorf("the error does not say that a permission is missing: %v", err)
	}
	config.URL += "/empty"
	_, err = open(t.Context(), config)
	wantFault(t, err, fault.Unavailable, driver.ReasonEngine)
	if !strings.Contains(err.Error(), "hansom bus setup") {
		t.Errorf("the error does not say what to do where exchanges are missing: %v", err)
	}
}
