# This resource owns every rule of the bucket: other rules belong in it, too.
resource "aws_s3_bucket_lifecycle_configuration" "snapferry" {
  bucket = var.bucket

  rule {
    id     = "snapferry.6754af96.hourly.catalog"
    status = "Enabled"
    filter {
      prefix = "prod/hourly/catalog/"
    }
    expiration {
      days = 10
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.6754af96.hourly.catalog.markers"
    status = "Enabled"
    filter {
      prefix = "prod/hourly/catalog/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.6754af96.hourly.data"
    status = "Enabled"
    filter {
      prefix = "prod/hourly/data/"
    }
    expiration {
      days = 16
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.6754af96.hourly.data.markers"
    status = "Enabled"
    filter {
      prefix = "prod/hourly/data/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.6754af96.daily.catalog"
    status = "Enabled"
    filter {
      prefix = "prod/daily/catalog/"
    }
    expiration {
      days = 41
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.6754af96.daily.catalog.markers"
    status = "Enabled"
    filter {
      prefix = "prod/daily/catalog/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.6754af96.daily.data"
    status = "Enabled"
    filter {
      prefix = "prod/daily/data/"
    }
    expiration {
      days = 47
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.6754af96.daily.data.markers"
    status = "Enabled"
    filter {
      prefix = "prod/daily/data/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.6754af96.weekly.catalog"
    status = "Enabled"
    filter {
      prefix = "prod/weekly/catalog/"
    }
    expiration {
      days = 41
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.6754af96.weekly.catalog.markers"
    status = "Enabled"
    filter {
      prefix = "prod/weekly/catalog/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.6754af96.weekly.data"
    status = "Enabled"
    filter {
      prefix = "prod/weekly/data/"
    }
    expiration {
      days = 47
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.6754af96.weekly.data.markers"
    status = "Enabled"
    filter {
      prefix = "prod/weekly/data/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.6754af96.monthly.catalog"
    status = "Enabled"
    filter {
      prefix = "prod/monthly/catalog/"
    }
    expiration {
      days = 770
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.6754af96.monthly.catalog.markers"
    status = "Enabled"
    filter {
      prefix = "prod/monthly/catalog/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.6754af96.monthly.data"
    status = "Enabled"
    filter {
      prefix = "prod/monthly/data/"
    }
    transition {
      days          = 35
      storage_class = "GLACIER_IR"
    }
    expiration {
      days = 776
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.6754af96.monthly.data.markers"
    status = "Enabled"
    filter {
      prefix = "prod/monthly/data/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.6754af96.yearly.catalog"
    status = "Enabled"
    filter {
      prefix = "prod/yearly/catalog/"
    }
    expiration {
      days = 770
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.6754af96.yearly.catalog.markers"
    status = "Enabled"
    filter {
      prefix = "prod/yearly/catalog/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.6754af96.yearly.data"
    status = "Enabled"
    filter {
      prefix = "prod/yearly/data/"
    }
    expiration {
      days = 776
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.6754af96.yearly.data.markers"
    status = "Enabled"
    filter {
      prefix = "prod/yearly/data/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.6754af96.doctor.canary"
    status = "Enabled"
    filter {
      prefix = "prod/doctor/canary/"
    }
    expiration {
      days = 1
    }
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  rule {
    id     = "snapferry.6754af96.doctor.canary.markers"
    status = "Enabled"
    filter {
      prefix = "prod/doctor/canary/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }
}
