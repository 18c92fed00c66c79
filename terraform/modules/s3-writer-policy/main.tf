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
  # The writer decrypts too: it reads what an interrupted run left behind.
  writer_key = {
    Sid       = "UseKey"
    Effect    = "Allow"
    Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource  = [var.kms_key_arn]
    Condition = {}
  }
  reader_key = merge(local.writer_key, { Action = ["kms:Decrypt"] })

  keyed = var.kms_key_arn != null
  writer_statements = concat(
    [local.list, local.read, local.create],
    [for s in [local.writer_key] : s if local.keyed],
  )
  reader_statements = concat(
    [local.list, local.read],
    [for s in [local.reader_key] : s if local.keyed],
  )

  # IAM refuses an empty Condition, so it is left out where nothing is asked.
  writer_policy = {
    Version   = "2012-10-17"
    Statement = [for s in local.writer_statements : { for k, v in s : k => v if k != "Condition" || length(v) > 0 }]
  }
  reader_policy = {
    Version   = "2012-10-17"
    Statement = [for s in local.reader_statements : { for k, v in s : k => v if k != "Condition" || length(v) > 0 }]
  }
}
