# The documents are rendered here and not by the AWS provider, so that the
# module needs no provider, and so that its tests see exactly what IAM gets.

locals {
  bucket_arn  = "arn:${var.partition}:s3:::${var.bucket}"
  objects_arn = var.prefix == "" ? "${local.bucket_arn}/*" : "${local.bucket_arn}/${var.prefix}/*"

  own_bucket = var.bucket_account_id == null ? {} : {
    StringEquals = { "s3:ResourceAccount" = var.bucket_account_id }
  }
  own_prefix = var.prefix == "" ? {} : {
    StringLike = { "s3:prefix" = ["${var.prefix}/*"] }
  }
  # True only for a request that carries If-None-Match, for which S3 takes the
  # value * alone. So the writer can create an object and not replace one. It
  # also rules out multipart uploads, which snapferry does not use.
  create_only = {
    Null = { "s3:if-none-match" = "false" }
  }

  list = {
    Sid       = "ListVault"
    Effect    = "Allow"
    Action    = ["s3:ListBucket"]
    Resource  = [local.bucket_arn]
    Condition = merge(local.own_bucket, local.own_prefix)
  }
  read = {
    Sid       = "ReadObjects"
    Effect    = "Allow"
    Action    = ["s3:GetObject"]
    Resource  = [local.objects_arn]
    Condition = local.own_bucket
  }
  create = {
    Sid       = "CreateObjects"
    Effect    = "Allow"
    Action    = ["s3:PutObject"]
    Resource  = [local.objects_arn]
    Condition = merge(local.own_bucket, local.create_only)
  }
  # With a lock, an object's request asks for its retention as well. Without a
  # bound a stolen key could lock rubbish for a hundred years.
  lock = {
    Sid      = "LockObjects"
    Effect   = "Allow"
    Action   = ["s3:PutObjectRetention"]
    Resource = [local.objects_arn]
    Condition = merge(local.own_bucket, var.max_lock_days == null ? {} : {
      NumericLessThanEquals = { "s3:object-lock-remaining-retention-days" = tostring(var.max_lock_days) }
    })
  }
  read_lock = {
    Sid       = "ReadLocks"
    Effect    = "Allow"
    Action    = ["s3:GetObjectRetention"]
    Resource  = [local.objects_arn]
    Condition = local.own_bucket
  }
  # A locked vault is refused before anything is written to a bucket that
  # cannot lock.
  read_lock_settings = {
    Sid       = "ReadLockSettings"
    Effect    = "Allow"
    Action    = ["s3:GetBucketObjectLockConfiguration"]
    Resource  = [local.bucket_arn]
    Condition = local.own_bucket
  }
  list_versions = merge(local.list, { Sid = "ListVersions", Action = ["s3:ListBucketVersions"] })
  read_versions = merge(local.read, { Sid = "ReadVersions", Action = ["s3:GetObjectVersion"] })
  remove        = merge(local.read, { Sid = "RemoveObjects", Action = ["s3:DeleteObject"] })
  # None of these tells anything of an object.
  inspect = {
    Sid    = "InspectBucket"
    Effect = "Allow"
    Action = [
      "s3:GetBucketAcl",
      "s3:GetBucketLocation",
      "s3:GetBucketObjectLockConfiguration",
      "s3:GetBucketPolicyStatus",
      "s3:GetBucketPublicAccessBlock",
      "s3:GetBucketVersioning",
      "s3:GetEncryptionConfiguration",
    ]
    Resource  = [local.bucket_arn]
    Condition = local.own_bucket
  }
  # The bucket's own policy: it holds for everybody, also for who may otherwise
  # do everything. providers/s3 renders the same.
  create_only_bucket = {
    Sid       = "CreateOnly"
    Effect    = "Deny"
    Principal = "*"
    Action    = ["s3:PutObject"]
    Resource  = [local.objects_arn]
    Condition = { Null = { "s3:if-none-match" = "true" } }
  }
  # The writer decrypts too: it reads what an interrupted run left behind.
  writer_key = {
    Sid       = "UseKey"
    Effect    = "Allow"
    Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource  = [var.kms_key_arn]
    Condition = {}
  }
  reader_key = merge(local.writer_key, { Action = ["kms:Decrypt"] })

  keyed  = var.kms_key_arn != null
  locked = var.max_lock_days != null
  writer_statements = concat(
    [local.list, local.read, local.create],
    [for s in [local.writer_key] : s if local.keyed],
    [for s in [local.lock, local.read_lock_settings] : s if local.locked],
  )
  reader_statements = concat(
    [local.list, local.read],
    [for s in [local.reader_key] : s if local.keyed],
    [for s in [local.read_lock] : s if local.locked],
    [for s in [local.list_versions, local.read_versions] : s if var.versioned],
  )

  # IAM refuses an empty Condition, so it is left out where nothing is asked.
  documents = {
    for name, statements in {
      writer      = local.writer_statements
      reader      = local.reader_statements
      doctor      = [local.inspect]
      prune       = [local.list, local.read, local.remove]
      create_only = [local.create_only_bucket]
      } : name => jsonencode({
        Version   = "2012-10-17"
        Statement = [for s in statements : { for k, v in s : k => v if k != "Condition" || length(v) > 0 }]
    })
  }
}
