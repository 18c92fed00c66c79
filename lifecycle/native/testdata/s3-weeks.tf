# This resource owns every rule of the bucket: other rules belong in it, too.
resource "aws_s3_bucket_lifecycle_configuration" "snapferry" {
  bucket = var.bucket

  rule {
    id     = "snapferry.e3b0c442.weekly.catalog"
    status = "Enabled"
    filter {
      prefix = "weekly/catalog/"
    }
    expiration {
      days = 35
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.e3b0c442.weekly.catalog.markers"
    status = "Enabled"
    filter {
      prefix = "weekly/catalog/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.e3b0c442.weekly.data"
    status = "Enabled"
    filter {
      prefix = "weekly/data/"
    }
    expiration {
      days = 39
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.e3b0c442.weekly.data.markers"
    status = "Enabled"
    filter {
      prefix = "weekly/data/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.e3b0c442.monthly.catalog"
    status = "Enabled"
    filter {
      prefix = "monthly/catalog/"
    }
    expiration {
      days = 35
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.e3b0c442.monthly.catalog.markers"
    status = "Enabled"
    filter {
      prefix = "monthly/catalog/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.e3b0c442.monthly.data"
    status = "Enabled"
    filter {
      prefix = "monthly/data/"
    }
    expiration {
      days = 39
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.e3b0c442.monthly.data.markers"
    status = "Enabled"
    filter {
      prefix = "monthly/data/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.e3b0c442.yearly.catalog"
    status = "Enabled"
    filter {
      prefix = "yearly/catalog/"
    }
    expiration {
      days = 35
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.e3b0c442.yearly.catalog.markers"
    status = "Enabled"
    filter {
      prefix = "yearly/catalog/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.e3b0c442.yearly.data"
    status = "Enabled"
    filter {
      prefix = "yearly/data/"
    }
    expiration {
      days = 39
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.e3b0c442.yearly.data.markers"
    status = "Enabled"
    filter {
      prefix = "yearly/data/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.e3b0c442.doctor.canary"
    status = "Enabled"
    filter {
      prefix = "doctor/canary/"
    }
    expiration {
      days = 1
    }
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  rule {
    id     = "snapferry.e3b0c442.doctor.canary.markers"
    status = "Enabled"
    filter {
      prefix = "doctor/canary/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }
}
