# What the documents allow, statement by statement.

variables {
  bucket = "acme-graph-backups"
  prefix = "prod/graph"
}

run "writer_creates_below_its_prefix" {
  command = plan

  assert {
    condition = jsondecode(output.writer_policy_json) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "ListVault"
          Effect    = "Allow"
          Action    = ["s3:ListBucket"]
          Resource  = ["arn:aws:s3:::acme-graph-backups"]
          Condition = { StringLike = { "s3:prefix" = ["prod/graph/*"] } }
        },
        {
          Sid      = "ReadObjects"
          Effect   = "Allow"
          Action   = ["s3:GetObject"]
          Resource = ["arn:aws:s3:::acme-graph-backups/prod/graph/*"]
        },
        {
          Sid       = "CreateObjects"
          Effect    = "Allow"
          Action    = ["s3:PutObject"]
          Resource  = ["arn:aws:s3:::acme-graph-backups/prod/graph/*"]
          Condition = { Null = { "s3:if-none-match" = "false" } }
        },
      ]
    }
    error_message = "the writer's policy is not the least it needs: ${output.writer_policy_json}"
  }
}

run "nobody_deletes_and_nothing_is_wild" {
  command = plan

  variables {
    kms_key_arn       = "arn:aws:kms:eu-west-1:123456789012:key/0b1c2d3e-0000-1111-2222-333344445555"
    bucket_account_id = "123456789012"
  }

  assert {
    condition = alltrue([
      for s in concat(jsondecode(output.writer_policy_json).Statement, jsondecode(output.reader_policy_json).Statement) : alltrue([
        for a in s.Action : contains(["s3:ListBucket", "s3:GetObject", "s3:PutObject", "kms:Decrypt", "kms:GenerateDataKey"], a)
      ])
    ])
    error_message = "an action outside the list of what is needed is allowed"
  }

  assert {
    condition     = !strcontains(output.writer_policy_json, "Delete") && !strcontains(output.writer_policy_json, "\"*\"")
    error_message = "the writer may delete, or a wildcard stands alone"
  }
}

run "reader_only_reads" {
  command = plan

  assert {
    condition     = [for s in jsondecode(output.reader_policy_json).Statement : s.Sid] == ["ListVault", "ReadObjects"]
    error_message = "the reader can do more than list and read: ${output.reader_policy_json}"
  }
}

run "whole_bucket" {
  command = plan

  variables {
    prefix = ""
  }

  assert {
    condition     = jsondecode(output.writer_policy_json).Statement[2].Resource == ["arn:aws:s3:::acme-graph-backups/*"]
    error_message = "without a prefix the objects are those of the whole bucket"
  }

  assert {
    condition     = !contains(keys(jsondecode(output.writer_policy_json).Statement[0]), "Condition")
    error_message = "without a prefix there is nothing to limit a listing to, and IAM refuses an empty condition"
  }
}

run "account_is_pinned_in_every_bucket_statement" {
  command = plan

  variables {
    bucket_account_id = "123456789012"
  }

  assert {
    condition = alltrue([
      for s in jsondecode(output.writer_policy_json).Statement : s.Condition.StringEquals["s3:ResourceAccount"] == "123456789012"
    ])
    error_message = "a statement of the writer holds for a bucket of another account"
  }

  assert {
    condition     = jsondecode(output.writer_policy_json).Statement[2].Condition.Null["s3:if-none-match"] == "false"
    error_message = "pinning the account lost the create-only condition"
  }
}

run "key_of_the_bucket" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/0b1c2d3e-0000-1111-2222-333344445555"
  }

  assert {
    condition = jsondecode(output.writer_policy_json).Statement[3] == {
      Sid      = "UseKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = ["arn:aws:kms:eu-west-1:123456789012:key/0b1c2d3e-0000-1111-2222-333344445555"]
    }
    error_message = "the writer cannot use the bucket's key, or can do more with it"
  }

  assert {
    condition     = jsondecode(output.reader_policy_json).Statement[2].Action == ["kms:Decrypt"]
    error_message = "the reader needs to decrypt, and nothing else"
  }
}

run "lock_has_a_bound" {
  command = plan

  variables {
    max_lock_days     = 95
    bucket_account_id = "123456789012"
  }

  assert {
    condition = jsondecode(output.writer_policy_json).Statement[3] == {
      Sid      = "LockObjects"
      Effect   = "Allow"
      Action   = ["s3:PutObjectRetention"]
      Resource = ["arn:aws:s3:::acme-graph-backups/prod/graph/*"]
      Condition = {
        StringEquals          = { "s3:ResourceAccount" = "123456789012" }
        NumericLessThanEquals = { "s3:object-lock-remaining-retention-days" = "95" }
      }
    }
    error_message = "the writer cannot lock, or for longer than it should: ${output.writer_policy_json}"
  }

  assert {
    condition     = jsondecode(output.writer_policy_json).Statement[4].Action == ["s3:GetBucketObjectLockConfiguration"]
    error_message = "the writer cannot see whether the bucket locks: ${output.writer_policy_json}"
  }

  assert {
    condition     = jsondecode(output.reader_policy_json).Statement[2].Action == ["s3:GetObjectRetention"]
    error_message = "the reader cannot see locks: ${output.reader_policy_json}"
  }

  assert {
    condition     = !strcontains(output.writer_policy_json, "Bypass")
    error_message = "nobody here lifts a lock"
  }
}

run "reader_of_versions" {
  command = plan

  variables {
    versioned = true
  }

  assert {
    condition = [for s in jsondecode(output.reader_policy_json).Statement : s.Action[0]] == [
      "s3:ListBucket", "s3:GetObject", "s3:ListBucketVersions", "s3:GetObjectVersion",
    ]
    error_message = "the reader cannot read old versions: ${output.reader_policy_json}"
  }

  assert {
    condition     = !strcontains(output.writer_policy_json, "Version\"]")
    error_message = "the writer needs no old versions"
  }
}

run "doctor_asks_only_about_the_bucket" {
  command = plan

  assert {
    condition = alltrue([
      for s in jsondecode(output.doctor_policy_json).Statement : s.Resource == ["arn:aws:s3:::acme-graph-backups"] && alltrue([for a in s.Action : startswith(a, "s3:Get")])
    ])
    error_message = "the doctor may read objects, or change something: ${output.doctor_policy_json}"
  }
}

run "prune_deletes_below_its_prefix" {
  command = plan

  assert {
    condition = jsondecode(output.prune_policy_json).Statement[2] == {
      Sid      = "RemoveObjects"
      Effect   = "Allow"
      Action   = ["s3:DeleteObject"]
      Resource = ["arn:aws:s3:::acme-graph-backups/prod/graph/*"]
    }
    error_message = "pruning may delete elsewhere, or versions: ${output.prune_policy_json}"
  }
}

run "bucket_policy_is_what_the_program_prints" {
  command = plan

  assert {
    condition     = jsondecode(output.create_only_bucket_policy_json) == jsondecode(file("${path.module}/../../../providers/s3/testdata/overwrite-policy.json"))
    error_message = "the bucket policy differs from that of providers/s3: ${output.create_only_bucket_policy_json}"
  }
}

run "other_partition" {
  command = plan

  variables {
    partition = "aws-cn"
  }

  assert {
    condition     = jsondecode(output.reader_policy_json).Statement[0].Resource == ["arn:aws-cn:s3:::acme-graph-backups"]
    error_message = "the partition is not in the ARNs"
  }
}

# docs/vaults.md shows these documents; each stands below a comment with its name.
run "documented" {
  command = plan

  assert {
    condition = alltrue([
      for name, policy in {
        writer      = output.writer_policy_json
        reader      = output.reader_policy_json
        doctor      = output.doctor_policy_json
        create-only = output.create_only_bucket_policy_json
        } : jsondecode(policy) == jsondecode(
        regex("(?s)<!-- ${name} -->\n```json\n(.*?)```", split("\n## Google", split("\n## S3\n", file("${path.module}/../../../docs/vaults.md"))[1])[0])[0]
      )
    ])
    error_message = "docs/vaults.md shows another policy than this module renders"
  }

  assert {
    condition = jsondecode(output.prune_policy_json).Statement[2] == jsondecode(
      regex("(?s)<!-- prune -->\n```json\n(.*?)```", split("\n## Google", split("\n## S3\n", file("${path.module}/../../../docs/vaults.md"))[1])[0])[0]
    )
    error_message = "docs/vaults.md shows another statement for pruning"
  }
}

run "documented_with_key_lock_and_versions" {
  command = plan

  variables {
    kms_key_arn   = "arn:aws:kms:eu-west-1:123456789012:key/0b1c2d3e-0000-1111-2222-333344445555"
    max_lock_days = 95
    versioned     = true
  }

  assert {
    condition = alltrue([
      for name, statements in {
        kms      = jsonencode(jsondecode(output.writer_policy_json).Statement[3])
        lock     = jsonencode(slice(jsondecode(output.writer_policy_json).Statement, 4, 6))
        versions = jsonencode(slice(jsondecode(output.reader_policy_json).Statement, 3, 6))
        } : jsondecode(statements) == jsondecode(
        regex("(?s)<!-- ${name} -->\n```json\n(.*?)```", split("\n## Google", split("\n## S3\n", file("${path.module}/../../../docs/vaults.md"))[1])[0])[0]
      )
    ])
    error_message = "docs/vaults.md shows other statements than this module renders"
  }
}
