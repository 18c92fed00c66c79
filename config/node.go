package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// form is what a node of the document is.
type form int

const (
	isNull form = iota
	isText
	isNumber // without a fraction
	isFloat
	isBool
	isList
	isMapping
)

func (f form) String() string {
	return [...]string{"nothing", "text", "a number", "a number with a fraction", "true or false", "a list", "a mapping"}[f]
}

// node is a part of the document. Where an alias stands, the node of its
// anchor does: nodes are shared and do not change once they were made.
type node struct {
	form     form
	at       place
	raw      string // of a scalar, as the file has it
	text     string // of a scalar, with the environment in it
	expanded bool   // something of text is from the environment
	items    []*node
	pairs    []pair
	broken   bool           // cannot be used, which was noted
	size     int            // nodes of which it consists, aliases counted in full
	tokens   []*token.Token // of the scalar, or where it begins
}

type pair struct {
	key   string
	at    place
	token *token.Token
	value *node
	// merged pairs are from a mapping that << names; others go before them.
	merged bool
}

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	for _, p := range n.pairs {
		if p.key == key {
			return p.value
		}
	}
	return nil
}

// node makes a node of what the parser found, and nil of what cannot be used,
// which it has noted.
func (r *reader) node(n ast.Node, depth int) *node {
	r.nodes++
	if depth > maxDepth {
		r.tooDeep(placeOf(n.GetToken()))
		return nil
	}
	if r.nodes > maxNodes {
		r.tooLarge(placeOf(n.GetToken()))
		return nil
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return r.mapping(n.Start, n.Values, depth)
	case *ast.MappingValueNode:
		return r.mapping(n.Start, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		return r.list(n, depth)
	case *ast.AnchorNode:
		r.excerpts.hide(n.Name.GetToken()) // as an alias
		value := r.node(n.Value, depth)
		if value != nil {
			r.anchors[n.Name.GetToken().Value] = value
		}
		return value
	case *ast.AliasNode:
		return r.alias(n)
	case *ast.TagNode:
		r.excerpts.hide(n.Start)
		r.problem(placeOf(n.Start), "a tag stands here", "remove what begins with !: types are known")
		return nil
	}
	return r.scalar(n)
}

func (r *reader) tooLarge(at place) {
	r.problem(at, fmt.Sprintf("with its aliases the file holds more than %d values", maxNodes), "write out what is needed, and no more")
}

func (r *reader) alias(n *ast.AliasNode) *node {
	at := placeOf(n.Start)
	r.excerpts.hide(n.Value.GetToken()) // it may be a secret that begins with *
	value, ok := r.anchors[n.Value.GetToken().Value]
	if !ok {
		r.problem(at, "there is no anchor of this name above", "define it as &NAME, or put what begins with * in quotation marks")
		return nil
	}
	if r.nodes += value.size; r.nodes > maxNodes {
		r.tooLarge(at)
		return nil
	}
	return value
}

func (r *reader) scalar(n ast.Node) *node {
	made := &node{at: placeOf(n.GetToken()), size: 1, tokens: []*token.Token{n.GetToken()}}
	switch n := n.(type) {
	case *ast.NullNode:
		return made
	case *ast.StringNode:
		made.form, made.raw = isText, n.Value
	case *ast.LiteralNode:
		made.form, made.raw = isText, n.Value.Value
		made.tokens = append(made.tokens, n.Value.Token)
	case *ast.IntegerNode:
		made.form, made.raw = isNumber, n.Token.Value
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		made.form, made.raw = isFloat, n.GetToken().Value
	case *ast.BoolNode:
		made.form, made.raw = isBool, n.Token.Value
	default:
		r.problem(made.at, "this cannot stand in a configuration", "docs/config.md shows what can")
		return nil
	}
	if !r.expand(made) {
		return nil
	}
	return made
}

func (r *reader) list(n *ast.SequenceNode, depth int) *node {
	made := &node{form: isList, at: place{n.Start.Position.Line, n.Start.Position.Column, 1}, size: 1}
	for i, item := range n.Values {
		var value *node
		r.within(fmt.Sprint(i+1), func() { value = r.node(item, depth+1) })
		if value == nil {
			value = &node{form: isNull, at: placeOf(item.GetToken()), size: 1, broken: true}
		}
		made.items = append(made.items, value)
		made.size += value.size
	}
	return made
}

func (r *reader) mapping(start *token.Token, values []*ast.MappingValueNode, depth int) *node {
	made := &node{form: isMapping, at: placeOf(start), size: 1}
	seen := map[string]place{}
	for i, v := range values {
		key := v.Key.GetToken()
		at := placeOf(key)
		if i == 0 && !strings.HasPrefix(start.Value, "{") {
			made.at = at
		}
		if _, merge := v.Key.(*ast.MergeKeyNode); merge {
			r.merge(made, v.Value, depth)
			continue
		}
		if _, plain := v.Key.(*ast.StringNode); !plain {
			// It may be the beginning of a secret.
			r.excerpts.hidden = append(r.excerpts.hidden, span{at, place{line: at.line + 1, column: 1}})
			r.problem(at, "this cannot be a key", "write keys as words, without quotation marks or a ? before them")
			continue
		}
		r.path = append(r.path, key.Value)
		if first, twice := seen[key.Value]; twice {
			r.problem(at, fmt.Sprintf("the key is there twice: first in line %d", first.line), "remove one of them")
		} else if value := r.node(v.Value, depth+1); value != nil {
			made.pairs = append(made.pairs, pair{key: key.Value, at: at, token: key, value: value})
			made.size += value.size
		} else {
			made.pairs = append(made.pairs, pair{key: key.Value, at: at, token: key, value: &node{at: at, size: 1, broken: true}})
		}
		seen[key.Value] = at
		r.path = r.path[:len(r.path)-1]
	}
	made.settle()
	return made
}

// merge adds what << names: pairs that the mapping does not have itself.
func (r *reader) merge(made *node, value ast.Node, depth int) {
	from := r.node(value, depth+1)
	if from == nil {
		return
	}
	sources := []*node{from}
	if from.form == isList {
		sources = from.items
	}
	for _, source := range sources {
		if source.form != isMapping {
			r.hide(source)
			r.problem(source.at, "what << names is "+source.form.String()+", not a mapping", "name the anchor of a mapping: <<: *NAME")
			return
		}
		for _, p := range source.pairs {
			p.merged = true
			made.pairs = append(made.pairs, p)
			made.size += p.value.size
		}
	}
}

// settle drops merged pairs that the mapping has itself, wherever it has them,
// and of several merged ones all but the first.
func (n *node) settle() {
	own := map[string]bool{}
	for _, p := range n.pairs {
		if !p.merged {
			own[p.key] = true
		}
	}
	kept := n.pairs[:0]
	for _, p := range n.pairs {
		if p.merged && own[p.key] {
			continue
		}
		own[p.key] = true
		kept = append(kept, p)
	}
	n.pairs = kept
}
