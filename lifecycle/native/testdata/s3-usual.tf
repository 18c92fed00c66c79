# This resource owns every rule of the bucket: other rules belong in it, too.
resource "aws_s3_bucket_lifecycle_configuration" "snapferry" {
  bucket = var.bucket

  rule {
    id     = "snapferry.d7775f82.daily.catalog"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/daily/catalog/"
    }
    expiration {
      days = 15
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.d7775f82.daily.catalog.markers"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/daily/catalog/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.d7775f82.daily.data"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/daily/data/"
    }
    expiration {
      days = 19
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.d7775f82.daily.data.markers"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/daily/data/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.d7775f82.weekly.catalog"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/weekly/catalog/"
    }
    expiration {
      days = 63
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.d7775f82.weekly.catalog.markers"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/weekly/catalog/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.d7775f82.weekly.data"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/weekly/data/"
    }
    expiration {
      days = 67
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.d7775f82.weekly.data.markers"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/weekly/data/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.d7775f82.monthly.catalog"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/monthly/catalog/"
    }
    expiration {
      days = 397
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.d7775f82.monthly.catalog.markers"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/monthly/catalog/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.d7775f82.monthly.data"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/monthly/data/"
    }
    expiration {
      days = 401
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.d7775f82.monthly.data.markers"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/monthly/data/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.d7775f82.yearly.catalog"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/yearly/catalog/"
    }
    expiration {
      days = 1461
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.d7775f82.yearly.catalog.markers"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/yearly/catalog/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.d7775f82.yearly.data"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/yearly/data/"
    }
    expiration {
      days = 1465
    }
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "snapferry.d7775f82.yearly.data.markers"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/yearly/data/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "snapferry.d7775f82.doctor.canary"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/doctor/canary/"
    }
    expiration {
      days = 1
    }
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  rule {
    id     = "snapferry.d7775f82.doctor.canary.markers"
    status = "Enabled"
    filter {
      prefix = "neo4j/prod/doctor/canary/"
    }
    expiration {
      expired_object_delete_marker = true
    }
  }
}
