// Package processes holds the tests of real processes of the hansom binary: split
// traffic between them, and kill them under load. Nothing imports it.
package processes
