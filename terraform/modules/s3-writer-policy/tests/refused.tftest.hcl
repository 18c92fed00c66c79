# Values that are refused, at least one for each validation.

variables {
  bucket = "acme-graph-backups"
}

run "bucket_is_no_url" {
  command = plan

  variables {
    bucket = "s3://acme-graph-backups"
  }

  expect_failures = [var.bucket]
}

run "bucket_is_no_arn" {
  command = plan

  variables {
    bucket = "arn:aws:s3:::acme"
  }

  expect_failures = [var.bucket]
}

run "bucket_too_short" {
  command = plan

  variables {
    bucket = "ab"
  }

  expect_failures = [var.bucket]
}

run "bucket_with_wildcard" {
  command = plan

  variables {
    bucket = "acme-*"
  }

  expect_failures = [var.bucket]
}

run "bucket_with_two_dots" {
  command = plan

  variables {
    bucket = "acme..backups"
  }

  expect_failures = [var.bucket]
}

run "prefix_with_slash_around" {
  command = plan

  variables {
    prefix = "/prod/"
  }

  expect_failures = [var.prefix]
}

run "prefix_climbs" {
  command = plan

  variables {
    prefix = "prod/../other"
  }

  expect_failures = [var.prefix]
}

run "prefix_with_wildcard" {
  command = plan

  variables {
    prefix = "prod/*"
  }

  expect_failures = [var.prefix]
}

run "prefix_part_too_long" {
  command = plan

  variables {
    prefix = "a123456789012345678901234567890123456789012345678901234567890123"
  }

  expect_failures = [var.prefix]
}

run "prefix_too_long" {
  command = plan

  variables {
    prefix = join("/", [for i in range(60) : "abcdefgh${i}"])
  }

  expect_failures = [var.prefix]
}

run "partition_unknown" {
  command = plan

  variables {
    partition = "azure"
  }

  expect_failures = [var.partition]
}

run "account_is_no_number" {
  command = plan

  variables {
    bucket_account_id = "1234"
  }

  expect_failures = [var.bucket_account_id]
}

run "key_is_an_alias" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:alias/backups"
  }

  expect_failures = [var.kms_key_arn]
}

run "lock_for_no_time" {
  command = plan

  variables {
    max_lock_days = 0
  }

  expect_failures = [var.max_lock_days]
}

run "lock_for_ever" {
  command = plan

  variables {
    max_lock_days = 36501
  }

  expect_failures = [var.max_lock_days]
}

run "lock_for_half_a_day" {
  command = plan

  variables {
    max_lock_days = 0.5
  }

  expect_failures = [var.max_lock_days]
}
