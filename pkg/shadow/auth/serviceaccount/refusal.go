// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

// refusal says why a token is not accepted. It names the kind of trouble and
// repeats nothing out of the token or of the objects it speaks of.
type refusal string

func (r refusal) Error() string { return "service account token " + string(r) }

const (
	errTooLong         refusal = "is longer than any that is issued"
	errMalformed       refusal = "is malformed"
	errAlgorithm       refusal = "is signed with an algorithm that is not accepted"
	errIssuer          refusal = "is of an issuer that is not accepted"
	errUnknownKey      refusal = "is signed with an unknown key"
	errSignature       refusal = "has a wrong signature"
	errAudience        refusal = "is for other audiences"
	errNoExpiry        refusal = "does not expire"
	errExpired         refusal = "has expired"
	errNotYetValid     refusal = "is not valid yet"
	errIncomplete      refusal = "lacks a claim"
	errSubject         refusal = "has a subject that differs from its service account"
	errNoAccount       refusal = "is of a service account that is gone"
	errOtherAccount    refusal = "is of an earlier service account of that name"
	errNoBoundObject   refusal = "is bound to an object that is gone"
	errOtherObject     refusal = "is bound to an earlier object of that name"
	errNotInSecret     refusal = "is not what its Secret holds"
	errMarkedAsInvalid refusal = "is in a Secret that has been marked invalid"
)
