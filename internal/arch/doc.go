// Package arch tests the shape of the repository: who imports whom, who may depend on NATS, that every package says what it
// is for, that functions stay readable, and that tests do not sleep. It holds nothing but tests; no package imports it.
//
// The table of allowed imports is in table_test.go. A new package needs a row there, and adding one is a decision about
// the design, to be made together with it. The checks read source files, for every operating system and whether or not they
// compile; only the check of what a package depends on through others asks the go command.
package arch
