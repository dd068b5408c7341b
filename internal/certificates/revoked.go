package certificates

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// revocation is a list of the certificates that one authority has revoked.
type revocation struct {
	issuer  *x509.Certificate // the authority that has signed the list
	until   time.Time         // when the next list was due; zero if never
	serials map[string]bool   // by the bytes of the serial number
}

type revocationLists []revocation

// revocations reads lists in PEM form. It refuses lists that no authority has signed,
// and partial lists, because they would be misread.
func revocations(text, authorities []byte) (revocationLists, error) {
	signers := parsed(authorities)
	var lists revocationLists
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return lists, nil
		}
		if block.Type != "X509 CRL" {
			continue
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read list: %w", err)
		}
		one, err := revocationOf(list, signers)
		if err != nil {
			return nil, err
		}
		lists = append(lists, one)
	}
}

func revocationOf(list *x509.RevocationList, signers []*x509.Certificate) (revocation, error) {
	at := slices.IndexFunc(signers, func(c *x509.Certificate) bool {
		return bytes.Equal(c.RawSubject, list.RawIssuer) && list.CheckSignatureFrom(c) == nil
	})
	if at < 0 {
		return revocation{}, fmt.Errorf("the list of %q is not signed by an authority in ca_certs", list.Issuer)
	}
	r := revocation{issuer: signers[at], until: list.NextUpdate, serials: map[string]bool{}}
	for _, e := range list.Extensions {
		if e.Critical { // a delta list, or one for only some certificates
			return revocation{}, fmt.Errorf("the list of %q is incomplete: it has the extension %s", list.Issuer, e.Id)
		}
	}
	for _, entry := range list.RevokedCertificateEntries {
		for _, e := range entry.Extensions {
			if e.Critical { // for example: a certificate of another authority
				return revocation{}, fmt.Errorf("the list of %q has entries with the extension %s, which is not understood", list.Issuer, e.Id)
			}
		}
		r.serials[string(entry.SerialNumber.Bytes())] = true
	}
	return r, nil
}

// parsed reads the certificates in a PEM text and skips unreadable ones, like
// AppendCertsFromPEM.
func parsed(text []byte) (all []*x509.Certificate) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return all
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			all = append(all, c)
		}
	}
}

// current returns an error if a list has expired.
func (l revocationLists) current(now time.Time) error {
	for _, r := range l {
		if r.expired(now) {
			return fmt.Errorf("the list of %q expired on %s", r.issuer.Subject, date(r.until))
		}
	}
	return nil
}

func (r revocation) expired(now time.Time) bool { return !r.until.IsZero() && now.After(r.until) }

// revoke reports whether another authority has revoked this one.
func (l revocationLists) revoke(authority *x509.Certificate) bool {
	return slices.ContainsFunc(l, func(r revocation) bool {
		return r.serials[string(authority.SerialNumber.Bytes())] && bytes.Equal(r.issuer.RawSubject, authority.RawIssuer) &&
			authority.CheckSignatureFrom(r.issuer) == nil
	})
}

// verify refuses a client if each of its chains has a revoked certificate. It is also
// called for resumed sessions.
func (l revocationLists) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return nil // cert_reqs allows that
	}
	err := errors.New("the client's certificate has not been verified")
	for _, chain := range state.VerifiedChains {
		if err = l.check(chain, time.Now()); err == nil {
			return nil
		}
	}
	return err
}

// check checks a chain. There must be a valid list for the client's own certificate.
// Those between it and the root are checked if there is a list for them.
func (l revocationLists) check(chain []*x509.Certificate, now time.Time) error {
	for i, c := range chain[:len(chain)-1] {
		found := false
		for _, r := range l {
			if !bytes.Equal(r.issuer.RawSubject, c.RawIssuer) ||
				!bytes.Equal(r.issuer.RawSubjectPublicKeyInfo, chain[i+1].RawSubjectPublicKeyInfo) {
				continue
			}
			switch {
			case r.serials[string(c.SerialNumber.Bytes())]:
				return fmt.Errorf("the certificate %q with the number %x is revoked", c.Subject, c.SerialNumber)
			case r.expired(now):
				return fmt.Errorf("the list of revoked certificates of %q expired on %s", r.issuer.Subject, date(r.until))
			}
			found = true
		}
		if i == 0 && !found {
			return fmt.Errorf("crlfile has no list of %q, who issued the certificate %q", c.Issuer, c.Subject)
		}
	}
	return nil
}
