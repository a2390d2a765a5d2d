package awsapi

import (
	"net/http"
	"net/url"
	"strings"
)

// checkForm checks that a request is signed as Signature Version 4 has it. Any
// credentials are accepted: nothing is verified.
func checkForm(r *http.Request) *Error {
	header := r.Header.Get("Authorization")
	query := r.URL.Query()
	inQuery := query.Has("X-Amz-Algorithm")
	switch {
	case header != "" && inQuery:
		return &Error{Code: codeInvalidSignature, Message: messageTwoAuthentications}
	case inQuery:
		return checkQuery(query)
	case !strings.HasPrefix(strings.TrimSpace(header), "AWS4-"):
		return &Error{Code: codeMissingToken, Message: messageMissingToken}
	}
	return checkHeader(r.Header, header)
}

func checkQuery(query url.Values) *Error {
	var missing strings.Builder
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if query.Get(name) == "" {
			missing.WriteString("AWS query-string parameters must include '" + name + "'. ")
		}
	}
	if missing.Len() == 0 {
		return nil
	}
	missing.WriteString("Re-examine the query-string parameters.")
	return &Error{Code: codeIncompleteSignature, Message: missing.String()}
}

func checkHeader(h http.Header, header string) *Error {
	parts := authorizationParts(header)
	var missing strings.Builder
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if parts[name] == "" {
			missing.WriteString("Authorization header requires '" + name + "' parameter. ")
		}
	}
	if h.Get("X-Amz-Date") == "" && h.Get("Date") == "" {
		missing.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
	}
	if missing.Len() == 0 {
		return nil
	}
	missing.WriteString("Authorization=" + header)
	return &Error{Code: codeIncompleteSignature, Message: missing.String()}
}

// authorizationParts splits "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=...".
func authorizationParts(header string) map[string]string {
	fields := strings.FieldsFunc(header, func(r rune) bool { return r == ',' || r == ' ' })
	parts := make(map[string]string, len(fields))
	for _, f := range fields {
		if name, value, ok := strings.Cut(f, "="); ok {
			parts[name] = value
		}
	}
	return parts
}
