package certificates

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// suites reads a list of ciphers in OpenSSL's form (openssl-ciphers(1)): names and
// groups, separated by colons, commas or spaces. "+" between groups means the suites
// that are in all of them; "!" and "-" remove suites. Suites that OpenSSL knows but Go
// does not support are left out. Unknown names are errors, and so is a list that
// leaves no suite. The order does not matter: Go chooses what is best for both sides.
// Suites of TLS 1.3 cannot be chosen.
func suites(list string) ([]uint16, error) {
	var chosen, killed []uint16
	empty := true
	for word := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ':' || r == ',' || r == ' ' }) {
		empty = false
		if word[0] == '@' { // @STRENGTH and @SECLEVEL: the order does not matter, and Go's suites are secure enough
			continue
		}
		sign := strings.IndexByte("!-+", word[0])
		if sign >= 0 {
			word = word[1:]
		}
		ids, err := matching(word)
		if err != nil {
			return nil, err
		}
		in := func(id uint16) bool { return slices.Contains(ids, id) }
		switch sign {
		case 0:
			killed = append(killed, ids...)
			chosen = slices.DeleteFunc(chosen, in)
		case 1:
			chosen = slices.DeleteFunc(chosen, in)
		case 2: // moves to the end
		default:
			chosen = slices.DeleteFunc(append(slices.DeleteFunc(chosen, in), ids...), func(id uint16) bool { return slices.Contains(killed, id) })
		}
	}
	if !empty && len(chosen) == 0 && !onlyTLS13(list) {
		return nil, fmt.Errorf("ciphers: %s is not supported; these are: %s", list, strings.Join(known(), ":"))
	}
	return chosen, nil
}

// matching returns the suites that a word means.
func matching(word string) ([]uint16, error) {
	var ids []uint16
	for _, s := range spoken() {
		if strings.EqualFold(s.Name, word) || strings.EqualFold(openSSL(s.Name), word) {
			return []uint16{s.ID}, nil
		}
	}
	if tls13(word) || foreign(word) {
		return nil, nil
	}
	groups := strings.Split(word, "+")
	for _, s := range spoken() {
		all := true
		for _, g := range groups {
			in, ok := grouped(openSSL(s.Name), g)
			if !ok {
				return nil, fmt.Errorf("ciphers: %s is not supported; these are: %s", word, strings.Join(known(), ":"))
			}
			all = all && in
		}
		if all {
			ids = append(ids, s.ID)
		}
	}
	return ids, nil
}

// grouped reports whether a suite, by OpenSSL's name, is in one of OpenSSL's groups.
// ok says whether there is such a group.
func grouped(suite, group string) (in, ok bool) {
	has := func(part string) bool { return strings.Contains(suite, part) }
	switch group {
	case "ALL", "DEFAULT", "COMPLEMENTOFDEFAULT", "HIGH", "ECDHE", "EECDH", "kECDHE", "kEECDH", "ECDH":
		return group != "COMPLEMENTOFDEFAULT", true
	case "TLSv1.2":
		return has("GCM") || has("CHACHA20"), true
	case "TLSv1", "TLSv1.0", "SSLv3", "SHA", "SHA1":
		return strings.HasSuffix(suite, "-SHA"), true
	case "AESGCM", "AESCCM":
		return group == "AESGCM" && has("GCM"), true
	case "AES", "AES128", "AES256", "CHACHA20":
		return has(group), true
	case "RSA", "aRSA":
		return group == "aRSA" && has("RSA"), true // RSA means RSA key exchange, which has no forward secrecy
	case "ECDSA", "aECDSA":
		return has("ECDSA"), true
	case "kRSA", "kDHE", "kEDH", "DHE", "EDH", "DH", "ADH", "AECDH", "kDHEPSK", "kECDHEPSK", "kRSAPSK", "PSK", "kPSK", "aPSK",
		"SRP", "kSRP", "aSRP", "DSS", "aDSS", "aNULL", "eNULL", "NULL", "EXP", "EXPORT", "LOW", "MEDIUM", "COMPLEMENTOFALL",
		"MD5", "RC2", "RC4", "DES", "3DES", "IDEA", "SEED", "CAMELLIA", "CAMELLIA128", "CAMELLIA256",
		"SHA256", "SHA384", // these mean the MAC; GCM suites have none
		"ARIA", "ARIA128", "ARIA256", "GOST", "kGOST", "aGOST", "AESCCM8", "CBC", "SSLv2", "FIPS":
		return false, true
	}
	return false, false
}

// foreign reports whether a word has the form of OpenSSL's names. Then it names a suite
// that Go does not support.
func foreign(word string) bool {
	parts := strings.Split(word, "-")
	for _, p := range parts {
		switch p {
		case "ECDHE", "ECDH", "DHE", "EDH", "DH", "ADH", "AECDH", "RSA", "ECDSA", "DSS", "PSK", "SRP", "NULL",
			"AES", "AES128", "AES256", "GCM", "CCM", "CCM8", "CBC", "CBC3", "DES", "RC4", "IDEA", "SEED", "MD5",
			"SHA", "SHA256", "SHA384", "CHACHA20", "POLY1305", "CAMELLIA128", "CAMELLIA256", "ARIA", "ARIA128", "ARIA256", "3DES", "EDE":
		default:
			return false
		}
	}
	return len(parts) > 1
}

func onlyTLS13(list string) bool {
	return !slices.ContainsFunc(strings.FieldsFunc(list, func(r rune) bool { return r == ':' || r == ',' || r == ' ' }),
		func(word string) bool { return !tls13(word) })
}

func tls13(name string) bool {
	return slices.ContainsFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool {
		return strings.EqualFold(s.Name, name) && !slices.Contains(s.SupportedVersions, tls.VersionTLS12)
	}) || strings.HasPrefix(name, "TLS_AES_128_CCM")
}

// spoken are the suites of TLS 1.2 that Go considers secure.
func spoken() []*tls.CipherSuite {
	return slices.DeleteFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool { return !slices.Contains(s.SupportedVersions, tls.VersionTLS12) })
}

func known() []string {
	var names []string
	for _, s := range spoken() {
		names = append(names, openSSL(s.Name))
	}
	return names
}

// openSSL turns TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 into
// ECDHE-RSA-AES128-GCM-SHA256.
func openSSL(name string) string {
	name = strings.TrimPrefix(name, "TLS_")
	return strings.NewReplacer("_WITH_", "-", "AES_128", "AES128", "AES_256", "AES256",
		"CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", "_CBC_", "-", "_", "-").Replace(name)
}
