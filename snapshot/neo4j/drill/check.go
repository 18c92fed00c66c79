package drill

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
)

// Check is a question to the restored database, and the answer it must have.
type Check struct {
	Cypher string
	// Expect is the value that the only row has in its only column, as text:
	// 42, true, Alice. With <, <=, >, >=, = or != before it, it is compared;
	// both sides must be numbers then, except for = and !=.
	Expect string
}

// Answer is how a check went.
type Answer struct {
	Cypher  string
	Expect  string
	Got     string
	Problem string // empty: it is what was expected
}

// ParseCheck reads "CYPHER => EXPECTED".
func ParseCheck(text string) (Check, error) {
	i := strings.LastIndex(text, "=>")
	if i < 0 {
		return Check{}, errors.New("the expected value is missing")
	}
	c := Check{Cypher: strings.TrimSpace(text[:i]), Expect: strings.TrimSpace(text[i+2:])}
	return c, c.Validate()
}

// Validate refuses a check that can never hold.
func (c Check) Validate() error {
	operator, value := c.parts()
	switch {
	case strings.TrimSpace(c.Cypher) == "":
		return errors.New("the statement is empty")
	case value == "":
		return errors.New("the expected value is empty")
	case strings.ContainsAny(operator, "<>") && parseNumber(value) == nil:
		return fmt.Errorf("%q is not a number, and so nothing is %s it", value, operator)
	}
	return nil
}

var operators = regexp.MustCompile(`^(<=|>=|!=|<|>|=)\s*`)

func (c Check) parts() (operator, value string) {
	expect := strings.TrimSpace(c.Expect)
	if m := operators.FindStringSubmatch(expect); m != nil {
		return m[1], strings.TrimSpace(expect[len(m[0]):])
	}
	return "=", expect
}

// holds reports whether a value is what is expected.
func (c Check) holds(got string) bool {
	operator, want := c.parts()
	a, b := parseNumber(got), parseNumber(want)
	if a == nil || b == nil {
		switch operator {
		case "=":
			return got == want
		case "!=":
			return got != want
		}
		return false
	}
	order := a.Cmp(b)
	switch operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "!=":
		return order != 0
	}
	return order == 0
}

// parseNumber reads a decimal number; nil: it is none.
func parseNumber(s string) *big.Rat {
	if !regexp.MustCompile(`^[-+]?\d{1,40}(\.\d{1,40})?([eE][-+]?\d{1,3})?$`).MatchString(s) {
		return nil
	}
	if r, ok := new(big.Rat).SetString(s); ok {
		return r
	}
	return nil
}

// ask asks all that the user wants to know, also after an answer is wrong.
func (d *drill) ask(ctx context.Context) error {
	wrong := 0
	for _, c := range d.Checks {
		a := Answer{Cypher: c.Cypher, Expect: c.Expect}
		rows, err := d.read(ctx, c.Cypher)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			a.Problem = err.Error()
		case len(rows) != 1 || len(rows[0]) != 1:
			a.Problem = fmt.Sprintf("the answer has %d rows and not one value", len(rows))
		default:
			if a.Got = text(rows[0][0]); !c.holds(a.Got) {
				a.Problem = "it is not what is expected"
			}
		}
		if a.Problem != "" {
			wrong++
		}
		d.result.Answers = append(d.result.Answers, a)
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d checks did not hold", wrong, len(d.Checks))
	}
	return nil
}

// text is a value as a person would write it.
func text(x any) string {
	switch x := x.(type) {
	case nil:
		return "null"
	case float64:
		return fmt.Sprintf("%g", x)
	}
	return fmt.Sprint(x)
}
