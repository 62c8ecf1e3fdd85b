echo parcel >> sent.txt
