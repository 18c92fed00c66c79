# This resource owns every rule of the storage account: other rules belong in it, too.
resource "azurerm_storage_management_policy" "snapferry" {
  storage_account_id = var.storage_account_id

  rule {
    name    = "snapferry5228aac1hourlycatalog"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/prod/hourly/catalog/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 10
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 40
      }
      version {
        delete_after_days_since_creation = 40
      }
    }
  }

  rule {
    name    = "snapferry5228aac1hourlydata"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/prod/hourly/data/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 21
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 51
      }
      version {
        delete_after_days_since_creation = 51
      }
    }
  }

  rule {
    name    = "snapferry5228aac1dailycatalog"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/prod/daily/catalog/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 41
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 71
      }
      version {
        delete_after_days_since_creation = 71
      }
    }
  }

  rule {
    name    = "snapferry5228aac1dailydata"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/prod/daily/data/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 52
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 82
      }
      version {
        delete_after_days_since_creation = 82
      }
    }
  }

  rule {
    name    = "snapferry5228aac1weeklycatalog"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/prod/weekly/catalog/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 41
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 71
      }
      version {
        delete_after_days_since_creation = 71
      }
    }
  }

  rule {
    name    = "snapferry5228aac1weeklydata"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/prod/weekly/data/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 52
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 82
      }
      version {
        delete_after_days_since_creation = 82
      }
    }
  }

  rule {
    name    = "snapferry5228aac1monthlycatalog"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/prod/monthly/catalog/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 770
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 800
      }
      version {
        delete_after_days_since_creation = 800
      }
    }
  }

  rule {
    name    = "snapferry5228aac1monthlydata"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/prod/monthly/data/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than           = 781
        tier_to_cold_after_days_since_modification_greater_than = 35
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 811
      }
      version {
        delete_after_days_since_creation = 811
      }
    }
  }

  rule {
    name    = "snapferry5228aac1yearlycatalog"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/prod/yearly/catalog/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 770
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 800
      }
      version {
        delete_after_days_since_creation = 800
      }
    }
  }

  rule {
    name    = "snapferry5228aac1yearlydata"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/prod/yearly/data/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 781
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 811
      }
      version {
        delete_after_days_since_creation = 811
      }
    }
  }

  rule {
    name    = "snapferry5228aac1doctorcanary"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/prod/doctor/canary/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 1
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 2
      }
      version {
        delete_after_days_since_creation = 2
      }
    }
  }
}
