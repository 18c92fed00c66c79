package native

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/snapferry/snapferry/lifecycle"
)

// Terraform returns the rules of a vault in Terraform's language: a resource
// of the providers aws or azurerm, or, for GCS, the blocks that belong into
// the bucket's own resource. The resource owns all rules of its bucket or
// account, so other rules belong beside these. Errors are ErrNoRules and
// ErrClass.
func Terraform(store lifecycle.Store, container, root string, rules []lifecycle.Rule) ([]byte, error) {
	file := hclwrite.NewEmptyFile()
	switch store {
	case lifecycle.S3, lifecycle.S3Compatible:
		terraformS3(file.Body(), root, rules)
	case lifecycle.GCS:
		terraformGCS(file.Body(), root, rules)
	case lifecycle.Azure:
		if err := terraformAzure(file.Body(), container, root, rules); err != nil {
			return nil, err
		}
	case lifecycle.NoRules:
		return nil, fmt.Errorf("%w: %q", ErrNoRules, string(store))
	}
	return hclwrite.Format(file.Bytes()), nil
}

func number(n int) cty.Value     { return cty.NumberIntVal(int64(n)) }
func text(s string) cty.Value    { return cty.StringVal(s) }
func texts(s []string) cty.Value { return cty.TupleVal([]cty.Value{text(s[0])}) }

// block adds a block of one line a value, which come as pairs.
func block(body *hclwrite.Body, name string, pairs ...any) *hclwrite.Body {
	b := body.AppendNewBlock(name, nil).Body()
	for pair := range slices.Chunk(pairs, 2) {
		name, isName := pair[0].(string)
		if value, ok := pair[1].(cty.Value); ok && isName {
			b.SetAttributeValue(name, value)
		}
	}
	return b
}

// variable sets a value to one of the caller's.
func variable(body *hclwrite.Body, name, value string) {
	body.SetAttributeRaw(name, hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte(value)}})
}

func comment(body *hclwrite.Body, lines ...string) {
	for _, line := range lines {
		body.AppendUnstructuredTokens(hclwrite.Tokens{{Type: hclsyntax.TokenComment, Bytes: []byte("# " + line + "\n")}})
	}
}

func terraformS3(body *hclwrite.Body, root string, rules []lifecycle.Rule) {
	comment(body, "This resource owns every rule of the bucket: other rules belong in it, too.")
	b := body.AppendNewBlock("resource", []string{"aws_s3_bucket_lifecycle_configuration", "snapferry"}).Body()
	variable(b, "bucket", "var.bucket")
	for _, g := range groups(rules) {
		for _, r := range s3Rules(root, g) {
			b.AppendNewline()
			rule := block(b, "rule", "id", text(r.ID), "status", text(r.Status))
			block(rule, "filter", "prefix", text(r.Prefix))
			if t := r.Transition; t != nil {
				block(rule, "transition", "days", number(t.Days), "storage_class", text(t.StorageClass))
			}
			if e := r.Expiration; e != nil && e.Markers {
				block(rule, "expiration", "expired_object_delete_marker", cty.True)
			} else if e != nil {
				block(rule, "expiration", "days", number(e.Days))
			}
			if n := r.Noncurrent; n != nil {
				block(rule, "noncurrent_version_expiration", "noncurrent_days", number(n.Days))
			}
			if a := r.Abort; a != nil {
				block(rule, "abort_incomplete_multipart_upload", "days_after_initiation", number(a.Days))
			}
		}
	}
}

func terraformGCS(body *hclwrite.Body, root string, rules []lifecycle.Rule) {
	comment(body, "These blocks belong into the google_storage_bucket of the vault.")
	for i, r := range gcsRules(root, rules) {
		if i > 0 {
			body.AppendNewline()
		}
		b := block(body, "lifecycle_rule")
		action := block(b, "action", "type", text(r.Action.Type))
		if r.Action.StorageClass != "" {
			action.SetAttributeValue("storage_class", text(r.Action.StorageClass))
		}
		condition := block(b, "condition")
		for _, name := range sortedKeys(r.Condition) {
			switch value := r.Condition[name].(type) {
			case int:
				condition.SetAttributeValue(snake(name), number(value))
			case []string:
				condition.SetAttributeValue(snake(name), texts(value))
			case bool: // isLive
				condition.SetAttributeValue("with_state", text("LIVE"))
			}
		}
	}
}

func terraformAzure(body *hclwrite.Body, container, root string, rules []lifecycle.Rule) error {
	comment(body, "This resource owns every rule of the storage account: other rules belong in it, too.")
	b := body.AppendNewBlock("resource", []string{"azurerm_storage_management_policy", "snapferry"}).Body()
	variable(b, "storage_account_id", "var.storage_account_id")
	for _, g := range groups(rules) {
		r, err := azureRuleOf(container, root, g)
		if err != nil {
			return err
		}
		b.AppendNewline()
		rule := block(b, "rule", "name", text(r.Name), "enabled", cty.True)
		block(rule, "filters", "blob_types", texts(r.Definition.Filters.BlobTypes), "prefix_match", texts(r.Definition.Filters.PrefixMatch))
		actions := block(rule, "actions")
		for _, target := range sortedKeys(r.Definition.Actions) {
			of := block(actions, snake(target))
			for _, name := range sortedKeys(r.Definition.Actions[target]) {
				for condition, days := range r.Definition.Actions[target][name] {
					of.SetAttributeValue(azureAttribute(target, name, condition), number(days))
				}
			}
		}
	}
	return nil
}

// azureAttribute is how the provider azurerm names a condition; that of
// versions is the odd one out.
func azureAttribute(target, action, condition string) string {
	after := strings.TrimPrefix(snake(condition), "days_after_")
	if target == "version" {
		after = strings.TrimSuffix(after, "_greater_than")
	}
	return snake(action) + "_after_days_since_" + after
}

// snake writes a name with underlines: matchesPrefix, matches_prefix.
func snake(name string) string {
	var b strings.Builder
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}
