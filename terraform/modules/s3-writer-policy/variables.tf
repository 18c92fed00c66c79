variable "bucket" {
  description = "Name of the bucket that holds the vault."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket)) && !strcontains(var.bucket, "..")
    error_message = "bucket must be a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens; not an ARN or a URL."
  }
}

variable "prefix" {
  description = "Prefix of the vault inside the bucket, as in s3://BUCKET/PREFIX, without slashes around it. Empty: the whole bucket is the vault."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.prefix == "" || can(regex("^[a-z0-9][a-z0-9._-]{0,62}(/[a-z0-9][a-z0-9._-]{0,62})*$", var.prefix))
    error_message = "prefix must be parts of [a-z0-9][a-z0-9._-]* with at most 63 bytes each, joined by single slashes."
  }

  validation {
    condition     = length(var.prefix) <= 512
    error_message = "prefix must have at most 512 bytes."
  }
}

variable "partition" {
  description = "AWS partition of the bucket."
  type        = string
  default     = "aws"
  nullable    = false

  validation {
    condition     = contains(["aws", "aws-cn", "aws-us-gov"], var.partition)
    error_message = "partition must be aws, aws-cn or aws-us-gov."
  }
}

variable "bucket_account_id" {
  description = "Account that owns the bucket. If it is set, the policies hold only for a bucket of that account, so that nobody else can take over the name after the bucket was deleted."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_account_id == null || can(regex("^[0-9]{12}$", var.bucket_account_id))
    error_message = "bucket_account_id must be 12 digits."
  }
}

variable "kms_key_arn" {
  description = "Key that the bucket encrypts with (SSE-KMS), as a key ARN. Null: the bucket uses SSE-S3, which needs no permission."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID; aliases do not work in a policy."
  }
}

variable "max_lock_days" {
  description = "Longest lock, in days, that the writer may set on objects. Null: the vault is not locked."
  type        = number
  default     = null

  validation {
    condition     = var.max_lock_days == null || try(var.max_lock_days >= 1 && var.max_lock_days <= 36500 && floor(var.max_lock_days) == var.max_lock_days, false)
    error_message = "max_lock_days must be a whole number from 1 to 36500."
  }
}

variable "versioned" {
  description = "Whether the bucket keeps old versions, which the reader may then list and read: what was overwritten or deleted can be restored."
  type        = bool
  default     = false
  nullable    = false
}
