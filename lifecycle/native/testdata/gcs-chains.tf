# These blocks belong into the google_storage_bucket of the vault.
lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 10
    with_state     = "LIVE"
    matches_prefix = ["prod/hourly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 30
    matches_prefix             = ["prod/hourly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["prod/hourly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 16
    with_state     = "LIVE"
    matches_prefix = ["prod/hourly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 30
    matches_prefix             = ["prod/hourly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["prod/hourly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 41
    with_state     = "LIVE"
    matches_prefix = ["prod/daily/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 30
    matches_prefix             = ["prod/daily/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["prod/daily/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 47
    with_state     = "LIVE"
    matches_prefix = ["prod/daily/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 30
    matches_prefix             = ["prod/daily/data/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["prod/daily/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 41
    with_state     = "LIVE"
    matches_prefix = ["prod/weekly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 30
    matches_prefix             = ["prod/weekly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["prod/weekly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 47
    with_state     = "LIVE"
    matches_prefix = ["prod/weekly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 30
    matches_prefix             = ["prod/weekly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["prod/weekly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 770
    with_state     = "LIVE"
    matches_prefix = ["prod/monthly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 30
    matches_prefix             = ["prod/monthly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["prod/monthly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 776
    with_state     = "LIVE"
    matches_prefix = ["prod/monthly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 30
    matches_prefix             = ["prod/monthly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["prod/monthly/data/"]
  }
}

lifecycle_rule {
  action {
    type          = "SetStorageClass"
    storage_class = "COLDLINE"
  }
  condition {
    age            = 35
    with_state     = "LIVE"
    matches_prefix = ["prod/monthly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 770
    with_state     = "LIVE"
    matches_prefix = ["prod/yearly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 30
    matches_prefix             = ["prod/yearly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["prod/yearly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 776
    with_state     = "LIVE"
    matches_prefix = ["prod/yearly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 30
    matches_prefix             = ["prod/yearly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["prod/yearly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 1
    with_state     = "LIVE"
    matches_prefix = ["prod/doctor/canary/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 1
    matches_prefix             = ["prod/doctor/canary/"]
  }
}
